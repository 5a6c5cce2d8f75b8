// What is said of damaged data, in files and in payloads: where it is, what was found and what was
// expected, and at the end the words that Redis uses and that operators search logs for.

const VERDICT = 'integrity check failed'

/** The message of an error about damaged data, as a line for the log. */
export function damageLine(message: string): string {
  return message.endsWith(VERDICT) ? message : `${message}: ${VERDICT}`
}

/** A key or another text of foreign bytes, fit for one line: at most `limit` characters. */
export function shownName(text: string, limit: number): string {
  return text.slice(0, limit).replace(/[^ -~]/g, '.')
}
