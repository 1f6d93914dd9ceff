// What the pages have in common: a stream that they follow while they are shown, reads, and redrawing.

import { read } from './api.js'
import { Component } from './html.js'
import { Live } from './live.js'

/** Rows change places so often at most: more often nobody can follow. */
const DRAW_EVERY_MS = 200
const ASK_AGAIN_MS = 1_000
/** A client follows so many topics at most. */
export const TOPICS_MAX = 16
/** Of answers that another one may follow: none at all, too many requests, not now, not in time. */
const AWAY = new Set([0, 429, 503, 504])

/**
 * A page. `props`: `params` of its URL, `go(params)` to another one of the page, `tell(state, error, asOf)` how its
 * stream does.
 */
export class Page extends Component {
  constructor(props) {
    super(props)
    this.reads = new AbortController()
    /** Which read is the last one of its name. */
    this.loads = new Map()
    this.drawn = 0
  }

  componentWillUnmount() {
    this.live?.close()
    this.reads.abort()
    clearTimeout(this.waiting)
    cancelAnimationFrame(this.frame)
  }

  /** Begins anew: what was followed and asked for before comes no more. */
  leave() {
    this.live?.close()
    this.loads.clear()
    this.asOf = undefined
  }

  /** Follows `models`, by topic. `took(frame, isSnapshot)` is called after each frame. */
  follow(models, took) {
    const take = (frame, isSnapshot) => {
      models[frame.topic].take(frame, isSnapshot)
      this.asOf = frame.asOf
      took?.(frame, isSnapshot)
      this.draw()
    }
    const tell = (state, error) => this.props.tell(state, error, this.asOf)
    this.live = new Live(Object.keys(models), take, tell)
    this.props.tell('connecting')
  }

  /** Draws soon; once for all that changes until then. */
  draw() {
    if (this.waiting !== undefined) return
    const waitMs = Math.max(0, this.drawn + DRAW_EVERY_MS - performance.now())
    this.waiting = setTimeout(() => {
      this.frame = requestAnimationFrame(() => {
        this.waiting = undefined
        this.drawn = performance.now()
        this.forceUpdate()
      })
    }, waitMs)
  }

  /** The answer of a read, as long as the page is shown; null for what is not there. */
  read(path, parameters) {
    return read(path, parameters, this.reads.signal)
  }

  /**
   * Calls `take` with what `ask` comes to, unless another one of the same name was asked for meanwhile; then draws.
   * Asks again while the service is away; other failures are told.
   */
  async load(name, ask, take) {
    const own = Symbol(name)
    this.loads.set(name, own)
    const isOver = () => this.loads.get(name) !== own || this.reads.signal.aborted
    while (!isOver()) {
      try {
        const answer = await ask()
        if (isOver()) return
        take(answer)
        return this.draw()
      } catch (error) {
        if (isOver()) return
        if (!AWAY.has(error.status)) return this.props.tell(error.status === 401 ? 'refused' : 'failed', error)
        await new Promise((resolve) => setTimeout(resolve, Math.max(ASK_AGAIN_MS, error.retryAfterMs)))
      }
    }
  }
}
