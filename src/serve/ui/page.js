// The base class of the pages: one stream while the page is shown, reads, and redrawing.

import { read } from './api.js'
import { Component } from './html.js'
import { StreamClient } from './stream.js'

/** Minimum time between two redraws; people cannot follow rows that move more often. */
const DRAW_INTERVAL_MS = 200
const RETRY_DELAY_MS = 1_000
/** Maximum number of topics per client. */
export const TOPICS_MAX = 16
/** Statuses after which a read is retried: no answer, too many requests, unavailable, timeout. */
const RETRY_STATUSES = new Set([0, 429, 503, 504])

/**
 * A page. `props`: `params` of its URL, `setParams(changes)` to change them, `onState(state, error, asOf)`, which is
 * called when the state of its stream changes, and `onStatus({stale, asOf})`, which is called when the service reports
 * whether it updates its results.
 */
export class Page extends Component {
  constructor(props) {
    super(props)
    this.reads = new AbortController()
    /** The most recent read of each name. */
    this.loads = new Map()
    this.drawnAt = 0
  }

  componentWillUnmount() {
    this.stream?.close()
    this.reads.abort()
    clearTimeout(this.drawTimer)
    cancelAnimationFrame(this.frame)
  }

  /** Closes the stream and discards the results of pending reads. */
  reset() {
    this.stream?.close()
    this.loads.clear()
    this.asOf = undefined
  }

  /** Follows the topics of `models`, a model per topic. Calls `onFrame(frame, isSnapshot)` after each frame. */
  follow(models, onFrame) {
    const apply = (frame, isSnapshot) => {
      models[frame.topic].apply(frame, isSnapshot)
      this.asOf = frame.asOf
      onFrame?.(frame, isSnapshot)
      this.draw()
    }
    const onState = (state, error) => this.props.onState(state, error, this.asOf)
    this.stream = new StreamClient(Object.keys(models), apply, onState, this.props.onStatus)
    this.props.onState('connecting')
  }

  /** Schedules a redraw; all changes until then share it. */
  draw() {
    if (this.drawTimer !== undefined) return
    const waitMs = Math.max(0, this.drawnAt + DRAW_INTERVAL_MS - performance.now())
    this.drawTimer = setTimeout(() => {
      this.frame = requestAnimationFrame(() => {
        this.drawTimer = undefined
        this.drawnAt = performance.now()
        this.forceUpdate()
      })
    }, waitMs)
  }

  /** Returns the JSON of a read, or null for status 404. The read is cancelled when the page is closed. */
  read(path, parameters) {
    return read(path, parameters, this.reads.signal)
  }

  /**
   * Calls `apply` with the result of `fetchData`, then redraws. A newer load of the same name replaces this one.
   * Retries while the service is unavailable, and reports other failures.
   */
  async load(name, fetchData, apply) {
    const current = Symbol(name)
    this.loads.set(name, current)
    const isObsolete = () => this.loads.get(name) !== current || this.reads.signal.aborted
    while (!isObsolete()) {
      try {
        const data = await fetchData()
        if (isObsolete()) return
        apply(data)
        return this.draw()
      } catch (error) {
        if (isObsolete()) return
        if (!RETRY_STATUSES.has(error.status)) {
          return this.props.onState(error.status === 401 ? 'refused' : 'failed', error)
        }
        await new Promise((resolve) => setTimeout(resolve, Math.max(RETRY_DELAY_MS, error.retryAfterMs)))
      }
    }
  }
}
