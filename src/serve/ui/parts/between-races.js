// Shown between races: the results of the last race and the leaderboard of the class.

import * as format from '../format.js'
import { Component, html } from '../html.js'
import { rankColumns, Table } from './table.js'

const ROWS = 10

/** `page`: does the reads; `race`: the last finished race or null; `followed`: a racer or null. */
export class BetweenRaces extends Component {
  componentDidMount() {
    this.load()
  }

  componentDidUpdate() {
    if (this.loadedKey !== this.key()) this.load()
  }

  key() {
    return `${this.props.race?.raceId} ${this.props.followed}`
  }

  load() {
    const { page, classId, race, followed } = this.props
    this.loadedKey = this.key()
    const parameters = { limit: ROWS }
    const set = (name) => (answer) => this.setState({ [name]: answer })
    page.load('leaders', () => page.read(`/v1/classes/${classId}/leaderboard`, parameters), set('leaders'))
    if (race === null) return
    page.load('results', () => page.read(`/v1/races/${classId}/${race.raceId}/results`, parameters), set('results'))
    if (followed === null) return this.setState({ followedResults: null })
    const readNewest = () => page.read(`/v1/racers/${followed}/results`, { classId, limit: 1 })
    page.load('followedResults', readNewest, set('followedResults'))
  }

  render({ classId, race, followed }, { results, leaders, followedResults }) {
    const columns = rankColumns(classId)
    const final = { name: 'Final', isNumber: true, cell: (row) => format.output(row.final) }
    const best = { name: 'Best final', isNumber: true, cell: (row) => format.output(row.output) }
    const result = followedResults?.rows.find(({ raceId, rank }) => raceId === race?.raceId && rank !== null)
    const name = result && format.racer({ ...result, racerId: followed })
    return html`
      <div class="between-races">
        ${race && html`
          <section class="card">
            <div class="card-head">
              <h2>Last race</h2>
              <a href="/results?class=${classId}&race=${race.raceId}">All ${format.count(race.racers)} results</a>
            </div>
            ${result && html`
              <p class="hint">${name} finished ${format.ordinal(result.rank)} of ${format.count(result.racers)}.</p>`}
            <${Table} label="Last race" rows=${results?.rows} followed=${followed} empty="No results."
                      columns=${[...columns, final]} />
          </section>`}
        <section class="card">
          <div class="card-head">
            <h2>Leaderboard</h2>
            <a href="/results?class=${classId}">Full leaderboard</a>
          </div>
          <${Table} label="Leaderboard" rows=${leaders?.rows} followed=${followed}
                    empty="No final output yet." columns=${[...columns, best]} />
        </section>
      </div>`
  }
}
