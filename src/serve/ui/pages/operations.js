// The service's own metrics.

import * as format from '../format.js'
import { html } from '../html.js'
import { Stats } from '../models.js'
import { Page } from '../page.js'
import { Sparkline } from '../parts/sparkline.js'
import { token } from '../session.js'

const POLL_INTERVAL_MS = 5_000
/** Enough digits to distinguish two rules ids. */
const RULES_ID_DIGITS = 12

export class Operations extends Page {
  constructor(props) {
    super(props)
    this.stats = new Stats()
    /** The number of records at each poll. */
    this.records = []
  }

  componentDidMount() {
    this.follow({ stats: this.stats })
    this.poll()
  }

  componentWillUnmount() {
    super.componentWillUnmount()
    clearTimeout(this.pollTimer)
  }

  poll() {
    this.load('classes', () => this.read('/v1/classes'), (classes) => {
      this.classes = classes
      this.records.push(classes.reduce((sum, { records }) => sum + records, 0))
      if (this.records.length > Stats.SECONDS) this.records.shift()
    })
    this.load('ready', () => ready(this.reads.signal), (answer) => { this.ready = answer })
    this.pollTimer = setTimeout(() => this.poll(), POLL_INTERVAL_MS)
  }

  render() {
    const { seconds } = this.stats
    const now = seconds.at(-1)
    return html`
      <div class="operations">
        <div class="race-title"><h1 tabindex="-1">Operations</h1>${this.readiness()}</div>
        ${now === undefined ? html`<p class="hint" aria-busy="true">Loading…</p>` : this.figures(seconds, now)}
      </div>`
  }

  figures(seconds, now) {
    const series = (name) => seconds.map((second) => second[name] ?? null)
    const tile = (name, of, show, note) => html`
      <${Sparkline} name=${name} figure=${show(now[of])} values=${series(of)} note=${note} />`
    const processes = `in ${format.count(now.processes)} ${now.processes === 1 ? 'process' : 'processes'}`
    return html`
      <div class="tiles">
        ${tile('Events per second', 'eventsPerSecond', format.count)}
        ${tile('Ack latency (p50)', 'ackP50Ms', format.milliseconds, `p99 ${format.milliseconds(now.ackP99Ms)}`)}
        ${tile('Lag', 'lagMs', format.milliseconds, 'from an event to its results')}
        ${this.recordsTile()}
        ${tile('Memory', 'residentBytes', format.bytes)}
        ${tile('Streams', 'streams', format.count, 'connected clients')}
        ${tile('Workers', 'workers', format.count, processes)}
      </div>
      ${rules(now)}
      ${token() === null && html`
        <p class="hint">Lines show the last two minutes. Metrics for Prometheus:
          ${' '}<a href="/metrics" target="_blank">/metrics</a>. API description:
          ${' '}<a href="/openapi.json" target="_blank">/openapi.json</a>.</p>`}`
  }

  recordsTile() {
    const [last, classes] = [this.records.at(-1), this.classes ?? []]
    const racers = classes.reduce((sum, row) => sum + row.racers, 0)
    const note = `of ${format.count(racers)} racers in ${format.count(classes.length)} classes`
    const figure = last === undefined ? format.NONE : format.count(last)
    return html`<${Sparkline} name="Records" figure=${figure} values=${this.records} note=${note} />`
  }

  readiness() {
    if (this.ready === undefined) return null
    const { ready, reasons, notes } = this.ready
    return html`
      <div class="readiness">
        <p class="state ${ready ? 'live' : 'stale'}">${ready ? 'Ready' : 'Not ready'}</p>
        ${[...reasons, ...notes].map((text) => html`<p key=${text}>${text}</p>`)}
      </div>`
  }
}

/** Shows the active rules, and the progress of a switch to new rules. */
function rules({ rulesId, rebuild }) {
  const name = (id) => html`<code title=${id}>${id.slice(0, RULES_ID_DIGITS)}</code>`
  return html`
    <p class="hint">
      Active rules: ${name(rulesId)}.
      ${rebuild !== null && rebuild.error === null && html`
        ${' '}Switching to ${name(rebuild.rulesId)}: ${format.share(rebuild.share)},
        ${' '}${format.count(rebuild.events)} events replayed.`}
      ${rebuild !== null && rebuild.error !== null && html`
        ${' '}Problem while switching to ${name(rebuild.rulesId)}: ${rebuild.error}`}
    </p>`
}

/** Returns the JSON of `/readyz`, which has a body with status 503 too. */
async function ready(signal) {
  const unreachable = { ready: false, reasons: ['the service cannot be reached'], notes: [] }
  return fetch('/readyz', { signal }).then((answer) => answer.json()).catch(() => unreachable)
}
