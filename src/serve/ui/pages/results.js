// The finished races, one of them ranked by final, best or total output, and the class's leaderboard.

import * as format from '../format.js'
import { html } from '../html.js'
import { hasEnded, Races } from '../models.js'
import { Page } from '../page.js'
import { chosenClass, classList, Classes } from '../parts/classes.js'
import { rankColumns, Table } from '../parts/table.js'

const BY = { final: 'Final', best: 'Best', total: 'Total' }
const ROWS = 100
/** The number of older races in one read. The stream's snapshot has only the newest hundred. */
const OLDER_ROWS = 1_000

export class Results extends Page {
  constructor(props) {
    super(props)
    this.classes = []
  }

  componentDidMount() {
    this.open()
  }

  componentDidUpdate() {
    if (this.classId() !== this.openClass) return this.open()
    const race = this.race()
    if (race !== null && this.resultsOf !== this.resultsKey(race)) this.loadResults(race)
  }

  classId() {
    return chosenClass(this.props.params)
  }

  by() {
    const by = this.props.params.get('by')
    return by in BY ? by : 'final'
  }

  /** Returns the race of the URL, or the last finished one, or null. */
  race() {
    const chosen = this.props.params.get('race')
    return chosen === null ? this.races.lastFinished()?.raceId ?? null : Number(chosen)
  }

  open() {
    const id = (this.openClass = this.classId())
    this.reset()
    this.races = new Races()
    this.results = this.leaders = this.resultsOf = this.older = undefined
    this.follow({ [`races:${id}`]: this.races }, (frame, isSnapshot) => {
      if (isSnapshot || hasEnded(frame)) this.loadMore()
    })
    this.forceUpdate()
  }

  /** Reads the classes and the leaderboard, which change when a race ends. */
  loadMore() {
    this.load('classes', () => classList(this), (classes) => { this.classes = classes })
    const read = () => this.read(`/v1/classes/${this.openClass}/leaderboard`, { limit: ROWS })
    this.load('leaders', read, (leaders) => { this.leaders = leaders })
  }

  resultsKey(race) {
    return `${this.openClass} ${race} ${this.by()} ${this.races.races.get(race)?.state}`
  }

  loadResults(race) {
    this.resultsOf = this.resultsKey(race)
    this.results = undefined
    this.load('results', () => this.readPage(race), (results) => { this.results = results })
  }

  readPage(race, cursor) {
    return this.read(`/v1/races/${this.openClass}/${race}/results`, { by: this.by(), limit: ROWS, cursor })
  }

  /** Appends the next page of rows. */
  loadNextPage() {
    const { raceId, next, rows } = this.results
    const apply = (page) => { this.results = { ...page, rows: [...rows, ...page.rows] } }
    this.load('results', () => this.readPage(raceId, next), apply)
  }

  /** Reads the races that are older than those in the stream. */
  loadOlder() {
    const known = this.older ?? { rows: [], next: undefined }
    const read = () => this.read('/v1/races', { classId: this.openClass, limit: OLDER_ROWS, cursor: known.next })
    this.load('older', read, ({ rows, next }) => { this.older = { rows: [...known.rows, ...rows], next } })
  }

  render() {
    if (this.races === undefined) return html`<h1 tabindex="-1">Results</h1>`
    const race = this.race()
    return html`
      <div class="results">
        <div class="race-title">
          <h1 tabindex="-1">Results</h1>
          <${Classes} classes=${this.classes} chosen=${this.openClass} url=${(id) => `/results?class=${id}`} />
        </div>
        <div class="columns">
          <section class="card races">
            <div class="card-head"><h2>Races</h2></div>
            ${this.raceList(race)}
          </section>
          <section class="card">${this.raceResults(race)}</section>
          <section class="card">
            <div class="card-head"><h2>Leaderboard</h2><p class="faint">best final outputs</p></div>
            <${Table} label="Leaderboard" rows=${this.leaders?.rows}
                      columns=${this.columns('Best final', ({ output }) => output)}
                      empty="No final output in this class yet." />
          </section>
        </div>
      </div>`
  }

  raceList(chosen) {
    const known = this.races.newest()
    const older = (this.older?.rows ?? []).filter(({ raceId }) => !this.races.races.has(raceId))
    const all = [...known, ...older]
    if (all.length === 0) {
      return html`<p class="hint">${this.asOf === undefined ? 'Loading…' : 'No race yet.'}</p>`
    }
    const item = ({ raceId, startedAt, racers, state }) => html`
      <li key=${raceId}>
        <a href="/results?class=${this.openClass}&race=${raceId}&by=${this.by()}"
           aria-current=${raceId === chosen ? 'true' : undefined}>
          <b>${format.date(startedAt)}</b>
          <span class="faint">${state === 'running' ? 'running, ' : ''}${format.count(racers)} racers</span>
        </a>
      </li>`
    const hasOlder = known.length >= ROWS && (this.older === undefined || this.older.next)
    return html`
      <ol class="scroll">${all.map(item)}</ol>
      ${hasOlder && html`<button type="button" class="quiet" onClick=${() => this.loadOlder()}>Older races</button>`}`
  }

  raceResults(race) {
    if (race === null) return html`<div class="card-head"><h2>Race</h2></div><p class="hint">No finished race yet.</p>`
    const { results } = this
    const sorted = (by) => ({
      name: BY[by],
      isNumber: true,
      cell: (row) => format.output(row[by]),
      isSorted: this.by() === by,
      onSort: () => this.props.setParams({ by }),
    })
    const columns = [...this.columns(), ...Object.keys(BY).map(sorted),
      { name: 'Seconds', isNumber: true, cell: ({ seconds }) => seconds }]
    const still = results?.state === 'running' ? ', still running' : ''
    return html`
      <div class="card-head">
        <h2>Race ${race}</h2>
        <p class="faint">${results && `${format.count(results.racers)} results${still}`}</p>
      </div>
      ${results === null
        ? html`<p class="hint">Unknown race.</p>`
        : html`<${Table} label="Race ${race}" rows=${results?.rows} columns=${columns}
                         empty="No finished rides yet." />`}
      ${results?.next && html`
        <button type="button" class="quiet" onClick=${() => this.loadNextPage()}>Show more</button>`}`
  }

  /** Returns the columns `Rank` and `Racer`, and a numeric column `name` if it is given. */
  columns(name, number) {
    const own = name ? [{ name, isNumber: true, cell: (row) => format.output(number(row)) }] : []
    return [...rankColumns(this.openClass), ...own]
  }
}
