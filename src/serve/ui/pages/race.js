// The race that is running: here now, all time at this second, and a racer to follow.

import * as format from '../format.js'
import { html } from '../html.js'
import { Board as BoardModel, Races, Standings } from '../models.js'
import { Page } from '../page.js'
import { Board } from '../parts/board.js'
import { chosenClass, classList, Classes } from '../parts/classes.js'
import { Following } from '../parts/following.js'
import { Interval } from '../parts/interval.js'
import { Clock } from '../parts/clock.js'

const VIEWS = { now: 'Here now', all: 'All time', one: 'Following' }

export class Race extends Page {
  constructor(props) {
    super(props)
    this.classes = []
    this.find = ''
    this.shown = 'now'
  }

  componentDidMount() {
    this.open()
  }

  componentDidUpdate() {
    if (this.classId() !== this.openClass) this.open()
    else this.loadMore()
  }

  classId() {
    return chosenClass(this.props.params)
  }

  followed() {
    const racer = Number(this.props.params.get('racer') ?? NaN)
    return Number.isInteger(racer) ? racer : null
  }

  /** Follows the class of the URL. */
  open() {
    const id = (this.openClass = this.classId())
    this.leave()
    this.standings = new Standings()
    this.board = new BoardModel()
    this.races = new Races()
    /** What was asked for last, by its name. */
    this.asked = new Map()
    this.best = this.record = null
    const models = { [`standings:${id}`]: this.standings, [`board:${id}`]: this.board, [`races:${id}`]: this.races }
    this.follow(models)
    this.forceUpdate()
  }

  /** Reads what the stream does not tell, once for all that it rests on. */
  loadMore() {
    const [classId, racer, { raceId, gaps, rows }] = [this.openClass, this.followed(), this.standings]
    const read = (path, parameters) => () => this.read(path, parameters)
    const once = (name, restsOn, ask, take) => {
      const key = restsOn.join()
      if (this.asked.get(name) === key) return
      this.asked.set(name, key)
      this.load(name, ask, take)
    }
    // Records change with rides that are over, a minute behind the race: while the next one is ridden.
    const records = [raceId, this.races.lastOver()?.raceId]
    once('classes', [raceId, gaps], () => classList(this), (classes) => { this.classes = classes })
    once('best', records, read(`/v1/classes/${classId}/curve`), ({ outputs }) => { this.best = outputs })
    if (racer !== this.recordOf) [this.recordOf, this.record] = [racer, null]
    if (racer === null) return
    const record = async () => {
      const { classes } = await this.read(`/v1/racers/${racer}`)
      return classes.includes(classId) ? this.read(`/v1/racers/${racer}/curve`, { classId }) : null
    }
    once('record', [racer, ...records], record, (curve) => { this.record = curve?.outputs ?? [] })
    if (!rows.has(racer)) return
    // What the racer rode before the page was opened, and while it was cut off.
    once('ride', [racer, raceId, gaps], read(`/v1/races/${classId}/${raceId}/rides/${racer}`), (ride) => {
      if (this.standings.raceId !== raceId) return
      const outputs = ride?.outputs ?? []
      outputs.forEach((output, i) => { if (output !== null) this.standings.remember(racer, i + 1, output) })
    })
  }

  choose(racer) {
    this.props.go({ racer })
    if (racer !== null) this.shown = 'one'
    // What was pressed may be hidden or gone now.
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.querySelector('.one h2').focus()
    })
  }

  render() {
    const { standings, races, best } = this
    if (standings === undefined) return html`<h1 tabindex="-1">Race</h1>`
    const isRunning = standings.raceId !== null || this.asOf === undefined
    return html`
      <div class="race">
        <div class="race-head">
          <div class="race-title">
            <h1 tabindex="-1">Class ${this.openClass}</h1>
            <${Classes} classes=${this.classes} chosen=${this.openClass} url=${(id) => `/?class=${id}`} />
          </div>
          <${Clock} standings=${standings} second=${standings.second()} raceSeconds=${best?.length || null}
                    races=${races} now=${this.asOf} />
        </div>
        ${isRunning ? this.boards() : html`
          <${Interval} key=${this.openClass} page=${this} classId=${this.openClass} race=${races.lastOver()}
                       followed=${this.followed()} />`}
      </div>`
  }

  boards() {
    const { standings, board, find } = this
    const rows = standings.standing()
    const at = board.second === null ? '' : `at ${format.seconds(board.second)}, ${format.count(board.racers)} racers`
    const following = { followed: this.followed(), onFollow: (racer) => this.choose(racer) }
    return html`
      <div class="toggle" role="group" aria-label="What is shown">${Object.entries(VIEWS).map(this.toggle, this)}</div>
      <div class="boards shows-${this.shown}">
        <section class="card now">
          <div class="card-head">
            <h2>Here now</h2>
            <input type="search" aria-label="Find a racer of this race" placeholder="Find a racer" value=${find}
                   onInput=${(event) => { this.find = event.target.value; this.forceUpdate() }} />
          </div>
          <${Board} ...${following} label="Here now" rows=${found(rows, find)} of=${rows.length} seconds
                    empty=${find === '' ? 'Nobody rides yet.' : 'Nobody here is called so.'} />
        </section>
        <section class="card all">
          <div class="card-head"><h2>All time</h2><p class="faint">${at}</p></div>
          <${Board} ...${following} label="All time" rows=${board.rows} of=${board.racers} marked=${standings.rows}
                    mark="rides now" empty="Nobody has a record at this second." />
        </section>
        <section class="card one">
          <${Following} racerId=${following.followed} onFollow=${following.onFollow} classId=${this.openClass}
                        standings=${standings} rows=${rows} record=${this.record} best=${this.best} />
        </section>
      </div>`
  }

  toggle([view, name]) {
    const show = () => { this.shown = view; this.forceUpdate() }
    return html`<button type="button" key=${view} aria-pressed=${this.shown === view} onClick=${show}>${name}</button>`
  }
}

/** Those of `rows` whose racer's name or number has the text. */
function found(rows, text) {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return rows
  const isWanted = (row) => format.racer(row).toLowerCase().includes(wanted) || String(row.racerId) === wanted
  return rows.filter(isWanted)
}
