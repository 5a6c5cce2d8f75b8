// Prometheus's text format, version 0.0.4: `# HELP`, `# TYPE`, a line per set of labels.
// By hand, since what is shown is computed when it is asked for: there is nothing to register.

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  /** Null: not known, and not shown. */
  readonly value: number | null
}

export interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly samples: readonly Sample[]
}

export function metricsText(metrics: readonly Metric[]): string {
  const lines: string[] = []
  for (const { name, type, help, samples } of metrics) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const { labels = {}, value } of samples) {
      if (value !== null) lines.push(`${name}${labelsText(labels)} ${value}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
