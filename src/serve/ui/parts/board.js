// A ranking of any length: only the rows in sight are drawn, and those that change rank move there.

import * as format from '../format.js'
import { Component, createRef, html } from '../html.js'

/** As in parts.css. */
const ROW_PX = 40
/** Rows drawn above and below those in sight, so that scrolling shows no gap. */
const MARGIN = 6
const MOVE = { duration: 350, easing: 'ease-out', composite: 'add' }

const calm = matchMedia('(prefers-reduced-motion: reduce)')

/**
 * `props`: `label`; ranked `rows`, of so many as `of` says; `followed`, a racer or null, and
 * `onFollow(racerId or null)`; `marked`, rows with a dot, by racer, and `mark`, what it means; `seconds`, whether
 * rows have one; `empty`, what to say without rows.
 */
export class Board extends Component {
  constructor(props) {
    super(props)
    this.state = { first: 0, count: 30 }
    this.scroller = createRef()
    /** The racers that are drawn, with their element and their place from the top. */
    this.drawn = new Map()
    this.isPressed = false
    this.release = this.release.bind(this)
  }

  componentDidMount() {
    addEventListener('pointerup', this.release)
    addEventListener('pointercancel', this.release)
    this.watch = new ResizeObserver(() => this.look())
    this.watch.observe(this.scroller.current)
    this.remember()
  }

  componentWillUnmount() {
    this.watch.disconnect()
    removeEventListener('pointerup', this.release)
    removeEventListener('pointercancel', this.release)
  }

  /** Between press and release no row leaves the pointer, as it would be another one that is clicked, or none. */
  shouldComponentUpdate() {
    return !this.isPressed
  }

  press({ button, target }) {
    this.isPressed = button === 0 && target.closest('[data-racer]') !== null
  }

  release() {
    if (!this.isPressed) return
    // Behind the click, which comes at once.
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
    // An element that takes another place among its siblings loses the focus, as does one that is gone.
    if (focused !== null && document.activeElement !== focused) {
      const next = focused.isConnected ? focused : this.scroller.current
      next.focus({ preventScroll: true })
    }
    const before = this.drawn
    this.remember()
    if (calm.matches || document.hidden) return
    for (const [racer, { element, index }] of this.drawn) {
      const was = before.get(racer)
      if (was === undefined || was.index === index) continue
      const from = `translateY(${(was.index - index) * ROW_PX}px)`
      // Added to a move that is still under way, so that a row never jumps.
      element.animate([{ transform: from }, { transform: 'none' }], MOVE)
    }
  }

  remember() {
    const elements = this.scroller.current.querySelectorAll('[data-racer]')
    const at = (element) => [Number(element.dataset.racer), { element, index: Number(element.dataset.index) }]
    this.drawn = new Map(Array.from(elements, at))
  }

  look() {
    const { scrollTop, clientHeight } = this.scroller.current
    const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - MARGIN)
    const count = Math.ceil(clientHeight / ROW_PX) + 2 * MARGIN
    if (first !== this.state.first || count !== this.state.count) this.setState({ first, count })
  }

  /** Brings the followed racer into sight. */
  show(index) {
    const { clientHeight } = this.scroller.current
    this.scroller.current.scrollTo({ top: (index + 0.5) * ROW_PX - clientHeight / 2, behavior: 'instant' })
  }

  render({ label, rows, of, followed, seconds, empty }) {
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
             onScroll=${() => this.look()} onPointerDown=${(event) => this.press(event)}>
          <div class="spread" role="presentation" style=${{ height: `${rows.length * ROW_PX}px` }}>
            <div class="seen" role="presentation" style=${{ top: `${first * ROW_PX}px` }}>
              ${rows.slice(first, last).map((row, i) => this.row(row, first + i, leader))}
            </div>
          </div>
          ${rows.length === 0 && html`<p class="empty" role="row"><span role="cell">${empty}</span></p>`}
        </div>
      </div>
      ${followedAt >= 0 && html`
        <button class="jump" type="button" onClick=${() => this.show(followedAt)}>
          ${format.racer(rows[followedAt])} is ${format.ordinal(rows[followedAt].rank)} of ${format.count(of)}
        </button>`}`
  }

  row(row, index, leader) {
    const { followed, onFollow, marked, mark, seconds } = this.props
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
          ${isMarked && html`<span class="dot" title=${mark}><span class="unseen">${mark}</span></span>`}
        </span>
        ${seconds && html`<span class="number faint" role="cell">${row.second}</span>`}
        <span class="number" role="cell">${format.output(row.output)}</span>
      </div>`
  }
}
