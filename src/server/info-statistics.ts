// INFO commandstats, errorstats, latencystats: what dispatch counts. Commands that were never
// called have no line.

import type { Field } from './info-fields.ts'
import type { Server } from './server.ts'

export function commandFields({ dispatcher }: Server): Field[] {
  const fields: Field[] = []
  dispatcher.table.each(({ fullName, calls, usec, rejected, failed }) => {
    if (calls === 0 && rejected === 0 && failed === 0) return
    const perCall = calls === 0 ? 0 : usec / calls
    fields.push([
      `cmdstat_${fullName}`,
      `calls=${calls},usec=${Math.floor(usec)},usec_per_call=${perCall.toFixed(2)},` +
        `rejected_calls=${rejected},failed_calls=${failed}`,
    ])
  })
  return fields
}

export function errorFields({ dispatcher }: Server): Field[] {
  const codes = [...dispatcher.errors].sort(([a], [b]) => (a < b ? -1 : 1))
  return codes.map(([code, count]) => [`errorstat_${code}`, `count=${count}`])
}

export function latencyFields({ dispatcher, config }: Server): Field[] {
  const fields: Field[] = []
  const percentiles = config.values.latencyTrackingInfoPercentiles
  dispatcher.table.each(({ fullName, latency }) => {
    if (latency === null || percentiles.length === 0) return
    const parts = percentiles.map((each) => `p${each}=${latency.percentileUs(each).toFixed(3)}`)
    fields.push([`latency_percentiles_usec_${fullName}`, parts.join(',')])
  })
  return fields
}
