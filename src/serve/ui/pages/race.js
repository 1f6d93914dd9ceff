// The running race: its standings, the all-time board at this second, and the followed racer.

import * as format from '../format.js'
import { html } from '../html.js'
import { Board as BoardModel, Races, Standings } from '../models.js'
import { Page } from '../page.js'
import { BetweenRaces } from '../parts/between-races.js'
import { Board } from '../parts/board.js'
import { chosenClass, classList, Classes } from '../parts/classes.js'
import { Clock } from '../parts/clock.js'
import { Following } from '../parts/following.js'

const PANELS = { now: 'Here now', all: 'All time', one: 'Following' }

export class Race extends Page {
  constructor(props) {
    super(props)
    this.classes = []
    this.search = ''
    this.visiblePanel = 'now'
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

  /** Follows the topics of the URL's class. */
  open() {
    const id = (this.openClass = this.classId())
    this.reset()
    this.standings = new Standings()
    this.board = new BoardModel()
    this.races = new Races()
    /** The key of the most recent read of each name. */
    this.requested = new Map()
    this.best = this.record = null
    const models = { [`standings:${id}`]: this.standings, [`board:${id}`]: this.board, [`races:${id}`]: this.races }
    this.follow(models)
    this.forceUpdate()
  }

  /** Reads the data that is not in the stream, again only when its inputs change. */
  loadMore() {
    const [classId, racer, { raceId, gapCount, rows }] = [this.openClass, this.followed(), this.standings]
    const read = (path, parameters) => () => this.read(path, parameters)
    const loadOnce = (name, inputs, fetchData, apply) => {
      const key = inputs.join()
      if (this.requested.get(name) === key) return
      this.requested.set(name, key)
      this.load(name, fetchData, apply)
    }
    // Finished rides change records a minute after the race, when the next race is already running.
    const records = [raceId, this.races.lastFinished()?.raceId]
    loadOnce('classes', [raceId, gapCount], () => classList(this), (classes) => { this.classes = classes })
    loadOnce('best', records, read(`/v1/classes/${classId}/curve`), ({ outputs }) => { this.best = outputs })
    if (racer !== this.recordOf) [this.recordOf, this.record] = [racer, null]
    if (racer === null) return
    const record = async () => {
      const { classes } = await this.read(`/v1/racers/${racer}`)
      return classes.includes(classId) ? this.read(`/v1/racers/${racer}/curve`, { classId }) : null
    }
    loadOnce('record', [racer, ...records], record, (curve) => { this.record = curve?.outputs ?? [] })
    if (!rows.has(racer)) return
    // The part of the ride before the page was opened and during lost connections.
    loadOnce('ride', [racer, raceId, gapCount], read(`/v1/races/${classId}/${raceId}/rides/${racer}`), (ride) => {
      if (this.standings.raceId !== raceId) return
      const outputs = ride?.outputs ?? []
      outputs.forEach((output, i) => { if (output !== null) this.standings.addOutput(racer, i + 1, output) })
    })
  }

  followRacer(racer) {
    this.props.setParams({ racer })
    if (racer !== null) this.visiblePanel = 'one'
    // The element that was clicked may be hidden or removed now.
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
          <${BetweenRaces} key=${this.openClass} page=${this} classId=${this.openClass} race=${races.lastFinished()}
                           followed=${this.followed()} />`}
      </div>`
  }

  boards() {
    const { standings, board, search } = this
    const rows = standings.ranking()
    const at = board.second === null ? '' : `at ${format.seconds(board.second)}, ${format.count(board.racers)} racers`
    const following = { followed: this.followed(), onFollow: (racer) => this.followRacer(racer) }
    return html`
      <div class="toggle" role="group" aria-label="Panel">${Object.entries(PANELS).map(this.toggle, this)}</div>
      <div class="boards shows-${this.visiblePanel}">
        <section class="card now">
          <div class="card-head">
            <h2>Here now</h2>
            <input type="search" aria-label="Find a racer in this race" placeholder="Find a racer" value=${search}
                   onInput=${(event) => { this.search = event.target.value; this.forceUpdate() }} />
          </div>
          <${Board} ...${following} label="Here now" rows=${matching(rows, search)} total=${rows.length} seconds
                    empty=${search === '' ? 'No racers yet.' : 'No matching racer.'} />
        </section>
        <section class="card all">
          <div class="card-head"><h2>All time</h2><p class="faint">${at}</p></div>
          <${Board} ...${following} label="All time" rows=${board.rows} total=${board.racers} marked=${standings.rows}
                    markTitle="in this race" empty="No records at this second." />
        </section>
        <section class="card one">
          <${Following} racerId=${following.followed} onFollow=${following.onFollow} classId=${this.openClass}
                        standings=${standings} rows=${rows} record=${this.record} best=${this.best} />
        </section>
      </div>`
  }

  toggle([panel, name]) {
    const show = () => { this.visiblePanel = panel; this.forceUpdate() }
    const isShown = this.visiblePanel === panel
    return html`<button type="button" key=${panel} aria-pressed=${isShown} onClick=${show}>${name}</button>`
  }
}

/** Returns the `rows` whose racer's name or number contains the text. */
function matching(rows, text) {
  const pattern = text.trim().toLowerCase()
  if (pattern === '') return rows
  const isMatch = (row) => format.racer(row).toLowerCase().includes(pattern) || String(row.racerId) === pattern
  return rows.filter(isMatch)
}
