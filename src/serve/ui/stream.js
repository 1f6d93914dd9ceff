// The client of `GET /v1/stream`: one stream of frames that reconnects.
//
// Frames contain complete rows, so applying a frame twice changes nothing. A client that reconnects with the id
// of its last frame gets the frames after it, or snapshots. This uses `fetch` instead of `EventSource`: `fetch`
// can send the token in a header, gives the reason why a stream is refused, and shows the keep-alive comments.

import { ApiError, request, url } from './api.js'
import { createParser } from './vendor/eventsource-parser.js'

/** The wait before each reconnection attempt; the last value is repeated. */
const RETRY_DELAYS_MS = [250, 500, 1_000, 2_000, 5_000]
/** A connection without data for this long counts as dead; the service sends something every 15 s. */
const SILENCE_TIMEOUT_MS = 20_000
/** Time without a connection after which the shown data is called stale. */
const STALE_AFTER_MS = 4_000

/**
 * Streams `topics` until `close`. Calls `onFrame(frame, isSnapshot)` for each frame in order, `onStatus({stale, asOf})`
 * when a cluster stops updating its results (`stale` is the reason) and when it updates them again (null), and
 * `onState(state, error)` for each change of state: `connecting` (no data yet), `live`, `reconnecting` (briefly),
 * `stale` (for longer), and `refused`, which is final: the service rejects the token or the request, and `error` has
 * the reason.
 */
export class StreamClient {
  constructor(topics, onFrame, onState, onStatus) {
    this.topics = topics
    this.onFrame = onFrame
    this.onState = onState
    this.onStatus = onStatus
    this.state = 'connecting'
    this.attempt = 0
    this.wake = () => this.resolveSleep?.()
    this.onVisibilityChange = () => (document.hidden ? this.suspend() : this.wake())
    addEventListener('online', this.wake)
    document.addEventListener('visibilitychange', this.onVisibilityChange)
    this.run()
  }

  close() {
    this.isClosed = true
    this.connection?.abort()
    clearTimeout(this.staleTimer)
    this.resolveSleep?.()
    removeEventListener('online', this.wake)
    document.removeEventListener('visibilitychange', this.onVisibilityChange)
  }

  async run() {
    while (!this.isClosed) {
      while (document.hidden && !this.isClosed) await this.sleep()
      const error = await this.connect().catch((reason) => reason)
      if (this.isClosed) return
      if (error instanceof ApiError && [400, 401, 403].includes(error.status)) {
        clearTimeout(this.staleTimer)
        return this.setState('refused', error)
      }
      this.onDisconnect()
      await this.backOff(error?.retryAfterMs ?? 0)
    }
  }

  /** Reads one connection to its end. */
  async connect() {
    const connection = (this.connection = new AbortController())
    const { signal } = connection
    const resume = this.lastId === undefined ? {} : { 'last-event-id': this.lastId }
    const address = url('/v1/stream', { topics: this.topics.join(',') })
    let silence = setTimeout(() => connection.abort(), SILENCE_TIMEOUT_MS)
    try {
      const response = await request(address, { signal, headers: resume, cache: 'no-store' })
      // A stream that cannot open now ends at once, and names the wait.
      const retryAfter = response.headers.get('retry-after')
      if (retryAfter !== null) throw new ApiError(503, 'the service is busy', Number(retryAfter))
      // If results are stale, an event says so. Another node, or the same after a restart, sends none if they are not.
      // While a service starts, its streams are open, and have no events until there are results.
      let isLive = !response.headers.has('stale')
      if (isLive) this.onStatus({ stale: null, asOf: null })
      const onEvent = (event) => {
        isLive = true
        this.onEvent(event)
      }
      const parser = createParser({ onEvent })
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done || this.isClosed) return
        clearTimeout(silence)
        silence = setTimeout(() => connection.abort(), SILENCE_TIMEOUT_MS)
        parser.feed(value)
        if (isLive) this.setState('live')
      }
    } finally {
      clearTimeout(silence)
      connection.abort()
    }
  }

  onEvent({ id, event, data }) {
    if (event === 'status') return this.onStatus(JSON.parse(data))
    this.onFrame(JSON.parse(data), event === 'snapshot')
    this.attempt = 0
    // Only the last frame of a batch has an id.
    if (id) this.lastId = id
  }

  /** Records that the connection was lost, and reports `stale` if it is not restored soon. */
  onDisconnect() {
    if (this.state !== 'live') return
    this.setState('reconnecting')
    this.staleTimer = setTimeout(() => this.setState('stale'), STALE_AFTER_MS)
  }

  /** Closes the connection of a hidden page: a browser allows six per service for all of its tabs. */
  suspend() {
    this.onDisconnect()
    this.connection?.abort()
  }

  setState(state, error) {
    if (this.state === state || this.isClosed) return
    if (state === 'live') clearTimeout(this.staleTimer)
    this.state = state
    this.onState(state, error)
  }

  /**
   * Waits before the next attempt. The wait ends early when the network is back or the page becomes
   * visible, but not before `leastMs`.
   */
  async backOff(leastMs) {
    const delayMs = RETRY_DELAYS_MS[Math.min(this.attempt, RETRY_DELAYS_MS.length - 1)]
    this.attempt += 1
    const requestedDelay = new Promise((resolve) => setTimeout(resolve, leastMs))
    // The random factor spreads the reconnections of clients that lost their connections together.
    await Promise.all([requestedDelay, this.sleep(delayMs * (0.5 + Math.random()))])
  }

  /** Waits until `wake` is called, or until `ms` have passed if given. */
  sleep(ms) {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      this.resolveSleep = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
