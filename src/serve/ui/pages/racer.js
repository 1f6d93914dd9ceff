// One racer: the record curve in each class, and recent results.

import * as format from '../format.js'
import { html } from '../html.js'
import { hasEnded, Races } from '../models.js'
import { Page, TOPICS_MAX } from '../page.js'
import { Chart } from '../parts/chart.js'
import { Table } from '../parts/table.js'

const ROWS = 20

export class Racer extends Page {
  componentDidMount() {
    this.open()
  }

  componentDidUpdate() {
    if (this.props.params.get('id') !== this.openId) this.open()
  }

  open() {
    this.openId = this.props.params.get('id')
    this.reset()
    this.racer = undefined
    /** For each class: the racer's records, the best of the class, the racer's results. */
    this.classes = new Map()
    this.props.onState('idle')
    this.forceUpdate()
    if (this.openId === null) return
    this.load('racer', () => this.read(`/v1/racers/${this.openId}`), (racer) => {
      this.racer = racer
      this.classes = new Map(racer.classes.map((id) => [id, {}]))
      racer.classes.slice(TOPICS_MAX).forEach((id) => this.loadClass(id))
      const topics = racer.classes.slice(0, TOPICS_MAX).map((id) => [`races:${id}`, new Races()])
      if (topics.length === 0) return
      this.follow(Object.fromEntries(topics), (frame, isSnapshot) => {
        if (isSnapshot || hasEnded(frame)) this.loadClass(Number(frame.topic.slice('races:'.length)))
      })
    })
  }

  /** Reads again the data of a class that a finished race may have changed. */
  loadClass(classId) {
    const [id, of] = [this.openId, this.classes.get(classId)]
    const reads = {
      record: [`/v1/racers/${id}/curve`, { classId }],
      best: [`/v1/classes/${classId}/curve`, {}],
      results: [`/v1/racers/${id}/results`, { classId, limit: ROWS }],
    }
    for (const [name, [path, parameters]] of Object.entries(reads)) {
      this.load(`${name} ${classId}`, () => this.read(path, parameters), (answer) => { of[name] = answer })
    }
  }

  render() {
    const { openId, racer } = this
    if (openId === null || openId === undefined) return this.racerForm()
    const classes = [...this.classes]
    const isKnown = racer !== undefined && classes.every(([, { results }]) => results !== undefined)
    const withClass = ([classId, { results }]) => (results?.rows ?? []).map((row) => ({ ...row, classId }))
    const rows = classes.flatMap(withClass)
    rows.sort((a, b) => b.startedAt - a.startedAt)
    return html`
      <div class="racer">
        <div class="race-title">
          <h1 tabindex="-1">${format.racer({ name: racer?.name, racerId: openId })}</h1>
          ${racer?.name && html`<p class="faint">racer ${openId}</p>`}
        </div>
        ${racer?.classes.length === 0 && html`<p class="hint">This racer has no record yet.</p>`}
        <div class="curves">${classes.map(([classId, of]) => this.curve(classId, of))}</div>
        <section class="card">
          <div class="card-head"><h2>Recent results</h2></div>
          <${Table} label="Recent results" rows=${isKnown ? rows.slice(0, ROWS) : undefined} columns=${COLUMNS}
                    rowKey=${({ classId, raceId }) => `${classId} ${raceId}`}
                    empty="No results in the last 7 days." />
        </section>
      </div>`
  }

  curve(classId, { record, best }) {
    const outputs = record?.outputs ?? []
    const curves = [
      { name: 'Class best', colour: 'best', outputs: best?.outputs ?? [] },
      { name: 'Own record', colour: 'accent', width: 2, outputs },
    ]
    const greatest = outputs.reduce((a, b) => Math.max(a, b ?? 0), 0)
    return html`
      <section class="card" key=${classId}>
        <div class="card-head">
          <h2>Class ${classId}</h2>
          <a href="/?class=${classId}&racer=${this.openId}">Follow</a>
        </div>
        <p class="faint">highest output ${format.output(greatest || null)}</p>
        ${best && html`
          <${Chart} label="Records of this racer in class ${classId} at each second, and the best of the class"
                    curves=${curves} seconds=${best.outputs.length} height=${180} />`}
      </section>`
  }

  racerForm() {
    const submit = (event) => {
      event.preventDefault()
      const id = event.target.elements.id.value.trim()
      if (id !== '') this.props.setParams({ id })
    }
    return html`
      <form class="card sign-in" onSubmit=${submit}>
        <h1 tabindex="-1">Racer</h1>
        <label for="id">Racer number</label>
        <input id="id" name="id" inputmode="numeric" pattern="[0-9]+" autocomplete="off" required />
        <button type="submit">Show</button>
        <p class="hint">Or select a racer on a board.</p>
      </form>`
  }
}

const COLUMNS = [
  { name: 'Race', cell: ({ classId, raceId, startedAt }) => html`
    <a href="/results?class=${classId}&race=${raceId}">${format.date(startedAt)}</a>` },
  { name: 'Class', isNumber: true, cell: ({ classId }) => classId },
  { name: 'Rank', isNumber: true, cell: ({ rank, racers }) => html`
    ${rank ?? format.NONE}<small> of ${format.count(racers)}</small>` },
  { name: 'Final', isNumber: true, cell: (row) => format.output(row.final) },
  { name: 'Best', isNumber: true, cell: (row) => format.output(row.best) },
  { name: 'Total', isNumber: true, cell: (row) => format.output(row.total) },
]
