// Between races: how the last one ended, and who leads the class.

import * as format from '../format.js'
import { Component, html } from '../html.js'
import { placing, Table } from './table.js'

const ROWS = 10

/** `page` reads; `race`: the last one that is over, or null; `followed`: a racer or null. */
export class Interval extends Component {
  componentDidMount() {
    this.ask()
  }

  componentDidUpdate() {
    if (this.asked !== this.key()) this.ask()
  }

  key() {
    return `${this.props.race?.raceId} ${this.props.followed}`
  }

  ask() {
    const { page, classId, race, followed } = this.props
    this.asked = this.key()
    const parameters = { limit: ROWS }
    const take = (name) => (answer) => this.setState({ [name]: answer })
    page.load('leaders', () => page.read(`/v1/classes/${classId}/leaderboard`, parameters), take('leaders'))
    if (race === null) return
    page.load('last', () => page.read(`/v1/races/${classId}/${race.raceId}/results`, parameters), take('last'))
    if (followed === null) return this.setState({ own: null })
    page.load('own', () => page.read(`/v1/racers/${followed}/results`, { classId, limit: 1 }), take('own'))
  }

  render({ classId, race, followed }, { last, leaders, own }) {
    const columns = placing(classId)
    const final = { name: 'Final', isNumber: true, cell: (row) => format.output(row.final) }
    const best = { name: 'Best final', isNumber: true, cell: (row) => format.output(row.output) }
    const came = own?.rows.find(({ raceId, rank }) => raceId === race?.raceId && rank !== null)
    const who = came && format.racer({ ...came, racerId: followed })
    return html`
      <div class="interval">
        ${race && html`
          <section class="card">
            <div class="card-head">
              <h2>The last race</h2>
              <a href="/results?class=${classId}&race=${race.raceId}">All ${format.count(race.racers)} results</a>
            </div>
            ${came && html`
              <p class="hint">${who} came in ${format.ordinal(came.rank)} of ${format.count(came.racers)}.</p>`}
            <${Table} label="The last race" rows=${last?.rows} followed=${followed} empty="No results."
                      columns=${[...columns, final]} />
          </section>`}
        <section class="card">
          <div class="card-head">
            <h2>Leaderboard</h2>
            <a href="/results?class=${classId}">All of class ${classId}</a>
          </div>
          <${Table} label="Leaderboard" rows=${leaders?.rows} followed=${followed}
                    empty="Nobody has finished a race yet." columns=${[...columns, best]} />
        </section>
      </div>`
  }
}
