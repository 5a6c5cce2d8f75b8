// Times in arguments to deadlines. Redis computes in 64 bits and refuses what overflows; we refuse
// the same, and clamp what is left to the integers that a `number` holds exactly, as the keyspace
// does: deadlines more than 285 000 years ahead are shown as 2^53 − 1 ms.

import { type I64, I64_MAX, I64_MIN } from '../base/i64.ts'
import type { Args } from '../resp/args.ts'
import { NOT_INTEGER, type ReplyError, replyError } from '../resp/replies.ts'
import type { Context } from './command.ts'

/** How an argument says when: `EX`, `PX`, `EXAT` and `PXAT` are the four of them. */
export interface TimeUnit {
  /** Milliseconds of one. */
  readonly unitMs: 1 | 1000
  readonly isRelative: boolean
}

export const SECONDS: TimeUnit = { unitMs: 1000, isRelative: true }
export const MILLISECONDS: TimeUnit = { unitMs: 1, isRelative: true }
export const UNIX_SECONDS: TimeUnit = { unitMs: 1000, isRelative: false }
export const UNIX_MILLISECONDS: TimeUnit = { unitMs: 1, isRelative: false }

/** `command` in lower case. */
export function invalidExpireTime(command: string): ReplyError {
  return replyError(`ERR invalid expire time in '${command}' command`)
}

/**
 * `amount` units after `baseMs`, in unix ms, clamped to safe integers; null when 64 bits overflow.
 * Allocates nothing while the result is safe.
 */
export function toDeadline(amount: I64, unitMs: 1 | 1000, baseMs: number): number | null {
  if (typeof amount === 'number') {
    const ms = amount * unitMs
    if (Number.isSafeInteger(ms) && Number.isSafeInteger(ms + baseMs)) return ms + baseMs
  }
  const units = BigInt(amount)
  const unit = BigInt(unitMs)
  if (units > I64_MAX / unit || units < I64_MIN / unit) return null
  const ms = units * unit
  if (ms > I64_MAX - BigInt(baseMs)) return null
  const deadline = Number(ms + BigInt(baseMs))
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, deadline))
}

/** `deadlineArgument`: the argument is no integer. */
const NOT_A_TIME = 0
/** `deadlineArgument`: not positive, or too far ahead. */
const OUT_OF_TIME = -1

/**
 * Argument `i` as a deadline for SET and its relatives, in unix ms; not above 0 when it is none,
 * and then `deadlineFault` says why.
 */
export function deadlineArgument(context: Context, args: Args, i: number, unit: TimeUnit): number {
  const amount = args.integer(i)
  if (amount === null) return NOT_A_TIME
  if (amount <= 0) return OUT_OF_TIME
  return toDeadline(amount, unit.unitMs, unit.isRelative ? context.nowMs : 0) ?? OUT_OF_TIME
}

/** The error for what `deadlineArgument` returned; `invalid` names the command. */
export function deadlineFault(result: number, invalid: ReplyError): ReplyError {
  return result === NOT_A_TIME ? NOT_INTEGER : invalid
}
