// What changes, as it changes: one stream of frames, which is begun again where it breaks.
//
// A frame has rows as a whole, so that one that comes twice changes nothing; whoever comes back with the id of
// the last frame gets what came after it, or snapshots. `fetch` in place of `EventSource`: it sends the token in
// a header, tells why a stream is refused, and shows the service's sign of life that comes where no frame does.

import { ApiError, request, url } from './api.js'
import { createParser } from './vendor/eventsource-parser.js'

/** Waits between attempts; the last one is repeated. */
const WAITS_MS = [250, 500, 1_000, 2_000, 5_000]
/** The service says something every 15 s; so much later a connection is taken for dead. */
const SILENCE_MAX_MS = 20_000
/** What is shown is called stale when it has not been live for so long. */
const STALE_AFTER_MS = 4_000

/**
 * Follows `topics` until `close`. `take(frame, isSnapshot)` gets each frame in turn, `tell(state, error)` each
 * change of state:
 * `connecting` (nothing came yet), `live`, `reconnecting` (for a moment), `stale` (for longer), and `refused`, which
 * is the last one: the service will not have this token, and `error` says why.
 */
export class Live {
  constructor(topics, take, tell) {
    this.topics = topics
    this.take = take
    this.tell = tell
    this.state = 'connecting'
    this.attempt = 0
    this.wake = () => this.woken?.()
    this.turn = () => (document.hidden ? this.rest() : this.wake())
    addEventListener('online', this.wake)
    document.addEventListener('visibilitychange', this.turn)
    this.run()
  }

  close() {
    this.isClosed = true
    this.connection?.abort()
    clearTimeout(this.staleTimer)
    this.woken?.()
    removeEventListener('online', this.wake)
    document.removeEventListener('visibilitychange', this.turn)
  }

  async run() {
    while (!this.isClosed) {
      while (document.hidden && !this.isClosed) await this.sleep()
      const error = await this.connect().catch((reason) => reason)
      if (this.isClosed) return
      if (error instanceof ApiError && [400, 401, 403].includes(error.status)) {
        clearTimeout(this.staleTimer)
        return this.become('refused', error)
      }
      this.lose()
      await this.pause(error?.retryAfterMs ?? 0)
    }
  }

  /** Reads one connection to its end. */
  async connect() {
    const connection = (this.connection = new AbortController())
    const { signal } = connection
    const resume = this.lastId === undefined ? {} : { 'last-event-id': this.lastId }
    const address = url('/v1/stream', { topics: this.topics.join(',') })
    let silence = setTimeout(() => connection.abort(), SILENCE_MAX_MS)
    try {
      const answer = await request(address, { signal, headers: resume, cache: 'no-store' })
      const parser = createParser({ onEvent: (event) => this.event(event) })
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done || this.isClosed) return
        clearTimeout(silence)
        silence = setTimeout(() => connection.abort(), SILENCE_MAX_MS)
        parser.feed(value)
        this.become('live')
      }
    } finally {
      clearTimeout(silence)
      connection.abort()
    }
  }

  event({ id, event, data }) {
    this.take(JSON.parse(data), event === 'snapshot')
    this.attempt = 0
    // Only the last frame of those that were sent together has one.
    if (id) this.lastId = id
  }

  /** Notes that the connection is gone, and tells so where it does not come back soon. */
  lose() {
    if (this.state !== 'live') return
    this.become('reconnecting')
    this.staleTimer = setTimeout(() => this.become('stale'), STALE_AFTER_MS)
  }

  /** Lets go of the connection: nobody looks, and a browser has six to a service, for all of its tabs. */
  rest() {
    this.lose()
    this.connection?.abort()
  }

  become(state, error) {
    if (this.state === state || this.isClosed) return
    if (state === 'live') clearTimeout(this.staleTimer)
    this.state = state
    this.tell(state, error)
  }

  /** Waits for its turn, for the network or for somebody to look, but as long as the service asks. */
  async pause(leastMs) {
    const wait = WAITS_MS[Math.min(this.attempt, WAITS_MS.length - 1)]
    this.attempt += 1
    const asked = new Promise((resolve) => setTimeout(resolve, leastMs))
    // Clients that were cut off together come back apart.
    await Promise.all([asked, this.sleep(wait * (0.5 + Math.random()))])
  }

  /** Waits until it is woken, or for so long. */
  sleep(ms) {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      this.woken = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
