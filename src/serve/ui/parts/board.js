// A ranking of any length: only visible rows are drawn, and rows that change rank move to their new place.

import * as format from '../format.js'
import { Component, createRef, html } from '../html.js'

/** The row height in parts.css. */
const ROW_PX = 40
/** Number of rows drawn above and below the visible ones, so that scrolling shows no gap. */
const OVERSCAN = 6
const MOVE = { duration: 350, easing: 'ease-out', composite: 'add' }

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')

/**
 * `props`: `label`; ranked `rows`, and `total`: the number of all racers; `followed`: a racer or null,
 * and `onFollow(racerId or null)`; `marked`: the racers whose rows have a dot, and `markTitle`: its
 * meaning; `seconds`: whether rows show the latest second; `empty`: the text if there are no rows.
 */
export class Board extends Component {
  constructor(props) {
    super(props)
    this.state = { first: 0, count: 30 }
    this.scroller = createRef()
    /** The drawn racers, with their element and their position from the top. */
    this.drawn = new Map()
    this.isPressed = false
    this.release = this.release.bind(this)
  }

  componentDidMount() {
    addEventListener('pointerup', this.release)
    addEventListener('pointercancel', this.release)
    this.resizeObserver = new ResizeObserver(() => this.updateWindow())
    this.resizeObserver.observe(this.scroller.current)
    this.recordPositions()
  }

  componentWillUnmount() {
    this.resizeObserver.disconnect()
    removeEventListener('pointerup', this.release)
    removeEventListener('pointercancel', this.release)
  }

  /** No row moves between press and release of the pointer; otherwise the click could hit another row. */
  shouldComponentUpdate() {
    return !this.isPressed
  }

  press({ button, target }) {
    this.isPressed = button === 0 && target.closest('[data-racer]') !== null
  }

  release() {
    if (!this.isPressed) return
    // Runs after the click event, which follows immediately.
    setTimeout(() => {
      this.isPressed = false
      this.forceUpdate()
    })
  }

  getSnapshotBeforeUpdate() {
    const { activeElement } = document
    return this.scroller.current.contains(activeElement) ? activeElement : null
  }

  componentDidUpdate(_, __, focused) {
    // An element loses the focus when it moves among its siblings or is removed.
    if (focused !== null && document.activeElement !== focused) {
      const next = focused.isConnected ? focused : this.scroller.current
      next.focus({ preventScroll: true })
    }
    const before = this.drawn
    this.recordPositions()
    if (reducedMotion.matches || document.hidden) return
    for (const [racer, { element, index }] of this.drawn) {
      const previous = before.get(racer)
      if (previous === undefined || previous.index === index) continue
      const from = `translateY(${(previous.index - index) * ROW_PX}px)`
      // Composed with a move that is still running, so that a row never jumps.
      element.animate([{ transform: from }, { transform: 'none' }], MOVE)
    }
  }

  recordPositions() {
    const elements = this.scroller.current.querySelectorAll('[data-racer]')
    const at = (element) => [Number(element.dataset.racer), { element, index: Number(element.dataset.index) }]
    this.drawn = new Map(Array.from(elements, at))
  }

  updateWindow() {
    const { scrollTop, clientHeight } = this.scroller.current
    const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - OVERSCAN)
    const count = Math.ceil(clientHeight / ROW_PX) + 2 * OVERSCAN
    if (first !== this.state.first || count !== this.state.count) this.setState({ first, count })
  }

  /** Scrolls to the followed racer. */
  scrollToRow(index) {
    const { clientHeight } = this.scroller.current
    this.scroller.current.scrollTo({ top: (index + 0.5) * ROW_PX - clientHeight / 2, behavior: 'instant' })
  }

  render({ label, rows, total, followed, seconds, empty }) {
    const last = Math.min(rows.length, this.state.first + this.state.count)
    const first = Math.min(this.state.first, Math.max(0, last - this.state.count))
    const leader = rows[0]?.output
    const followedAt = rows.findIndex(({ racerId }) => racerId === followed)
    return html`
      <div class="board" role="table" aria-label=${label} aria-rowcount=${rows.length + 1}>
        <div role="rowgroup">
          <div class="row head" role="row" aria-rowindex="1">
            <span role="columnheader">Rank</span>
            <span role="columnheader" class="name">Racer</span>
            ${seconds && html`<span role="columnheader" class="number">Second</span>`}
            <span role="columnheader" class="number">Output</span>
          </div>
        </div>
        <div class="rows" role="rowgroup" ref=${this.scroller} tabindex="0" aria-label="${label}, rows"
             onScroll=${() => this.updateWindow()} onPointerDown=${(event) => this.press(event)}>
          <div class="spacer" role="presentation" style=${{ height: `${rows.length * ROW_PX}px` }}>
            <div class="window" role="presentation" style=${{ top: `${first * ROW_PX}px` }}>
              ${rows.slice(first, last).map((row, i) => this.row(row, first + i, leader))}
            </div>
          </div>
          ${rows.length === 0 && html`<p class="empty" role="row"><span role="cell">${empty}</span></p>`}
        </div>
      </div>
      ${followedAt >= 0 && html`
        <button class="jump" type="button" onClick=${() => this.scrollToRow(followedAt)}>
          ${format.racer(rows[followedAt])} is ${format.ordinal(rows[followedAt].rank)} of ${format.count(total)}
        </button>`}`
  }

  row(row, index, leader) {
    const { followed, onFollow, marked, markTitle, seconds } = this.props
    const isFollowed = row.racerId === followed
    const isMarked = marked?.has(row.racerId)
    const length = { transform: `scaleX(${Math.max(0, row.output / leader) || 0})` }
    return html`
      <div class="row ${isFollowed ? 'followed' : ''}" role="row" aria-rowindex=${index + 2} key=${row.racerId}
           data-racer=${row.racerId} data-index=${index}>
        <span class="bar" role="presentation" style=${length}></span>
        <span class="rank rank-${row.rank}" role="cell">${row.rank}</span>
        <span class="name" role="cell">
          <button type="button" aria-pressed=${isFollowed} onClick=${() => onFollow(isFollowed ? null : row.racerId)}>
            ${format.racer(row)}
          </button>
          ${isMarked && html`
            <span class="dot" title=${markTitle}><span class="visually-hidden">${markTitle}</span></span>`}
        </span>
        ${seconds && html`<span class="number faint" role="cell">${row.second}</span>`}
        <span class="number" role="cell">${format.output(row.output)}</span>
      </div>`
  }
}
