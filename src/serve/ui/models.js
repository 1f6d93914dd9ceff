// What frames of the stream add up to: a model a topic. `take` is idempotent, as frames are.

import { rank } from './ranking.js'

/** The running race of a class. */
export class Standings {
  constructor() {
    this.raceId = null
    this.startedAt = null
    this.rows = new Map()
    /** By racer, the greatest output at each second of this race, from 1, as far as it is known. */
    this.curves = new Map()
    /** How often frames may be missing between what came: each snapshot is such a place. */
    this.gaps = 0
    this.ranked = []
    this.isRanked = true
  }

  take({ raceId, startedAt, rows, gone }, isSnapshot) {
    if (raceId !== this.raceId) this.curves.clear()
    this.raceId = raceId
    this.startedAt = startedAt
    if (isSnapshot) {
      this.rows.clear()
      this.gaps += 1
    }
    for (const row of rows) {
      this.rows.set(row.racerId, row)
      this.remember(row.racerId, row.second, row.output)
    }
    for (const racer of gone) this.rows.delete(racer)
    this.isRanked = false
  }

  /** Adds what a racer has come to at a second; a frame tells the latest second alone. */
  remember(racerId, second, output) {
    let curve = this.curves.get(racerId)
    if (curve === undefined) this.curves.set(racerId, (curve = []))
    curve[second] = Math.max(curve[second] ?? -Infinity, output)
  }

  /** The rows, ranked. */
  standing() {
    if (!this.isRanked) {
      // Ranked before, but for a few: which sorting is fast with.
      const still = this.ranked.map(({ racerId }) => this.rows.get(racerId)).filter(Boolean)
      const known = new Set(still)
      const come = [...this.rows.values()].filter((row) => !known.has(row))
      this.ranked = rank([...still, ...come])
      this.isRanked = true
    }
    return this.ranked
  }

  /** The greatest second that half of the riders have reached, as the service reckons it; or null. */
  second() {
    const reached = []
    for (const { second } of this.rows.values()) reached[second] = (reached[second] ?? 0) + 1
    let left = Math.floor((this.rows.size - 1) / 2)
    for (let second = reached.length - 1; second > 0; second -= 1) {
      left -= reached[second] ?? 0
      if (left < 0) return second
    }
    return null
  }
}

/** The all-time board of a class at the second that its race has reached: its first rows, ranked. */
export class Board {
  constructor() {
    this.second = null
    this.racers = 0
    this.rows = []
  }

  take({ second, racers, rows }) {
    Object.assign(this, { second, racers, rows })
  }
}

/** The races of a class that the service knows of. */
export class Races {
  constructor() {
    this.races = new Map()
  }

  take({ rows, gone }, isSnapshot) {
    if (isSnapshot) this.races.clear()
    for (const row of rows) this.races.set(row.raceId, row)
    for (const { raceId } of gone) this.races.delete(raceId)
  }

  /** Newest first, as the service lists them. */
  newest() {
    return [...this.races.values()].sort((a, b) => b.startedAt - a.startedAt || b.raceId - a.raceId)
  }

  lastOver() {
    return this.newest().find(({ state }) => state === 'over') ?? null
  }

  /** When the next race after `now` starts, in ms since the epoch, where races came at even intervals; or null. */
  next(now) {
    const starts = this.newest().slice(0, 4).map(({ startedAt }) => startedAt)
    const gaps = starts.slice(1).map((start, i) => starts[i] - start)
    if (gaps.length < 2) return null
    const isEven = gaps.every((gap) => Math.abs(gap - gaps[0]) < 0.1 * gaps[0])
    const next = starts[0] + gaps[0]
    return isEven && next > now ? next : null
  }
}

/** Whether a frame of races tells of one that is over, or is no more. */
export function hasEnded({ rows, gone }) {
  return gone.length > 0 || rows.some(({ state }) => state === 'over')
}

/** View counters of projects. */
export class Views {
  constructor() {
    this.projects = new Map()
  }

  take({ rows }, isSnapshot) {
    if (isSnapshot) this.projects.clear()
    for (const row of rows) this.projects.set(row.projectId, row)
  }

  /** Most viewed first. */
  byViews() {
    const ids = ({ projectId: a }, { projectId: b }) => (a < b ? -1 : Number(a > b))
    return [...this.projects.values()].sort((a, b) => b.views - a.views || ids(a, b))
  }
}

/** How the service did in the last seconds. */
export class Stats {
  static SECONDS = 120

  constructor() {
    this.seconds = []
  }

  take(frame) {
    // A stream that is begun again may tell the last one once more.
    const is = ({ asOf, lagMs, residentBytes }) => [asOf, lagMs, residentBytes].join()
    if (this.seconds.length > 0 && is(this.seconds.at(-1)) === is(frame)) return
    this.seconds.push(frame)
    if (this.seconds.length > Stats.SECONDS) this.seconds.shift()
  }
}
