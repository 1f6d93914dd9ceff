// Models: the state of a topic, built from its frames. Applying a frame twice with `apply` changes
// nothing.

import { rank } from './ranking.js'

/** The running race of a class. */
export class Standings {
  constructor() {
    this.raceId = null
    this.startedAt = null
    this.rows = new Map()
    /** For each racer, the greatest known output at each second of this race, from second 1. */
    this.curves = new Map()
    /**
     * The number of snapshots so far. Frames before each of them may be missing, which leaves gaps in
     * the curves.
     */
    this.gapCount = 0
    this.ranked = []
    this.isRanked = true
  }

  apply({ raceId, startedAt, rows, gone }, isSnapshot) {
    if (raceId !== this.raceId) this.curves.clear()
    this.raceId = raceId
    this.startedAt = startedAt
    if (isSnapshot) {
      this.rows.clear()
      this.gapCount += 1
    }
    for (const row of rows) {
      this.rows.set(row.racerId, row)
      this.addOutput(row.racerId, row.second, row.output)
    }
    for (const racer of gone) this.rows.delete(racer)
    this.isRanked = false
  }

  /** Records a racer's output at a second; a frame has only the latest second. */
  addOutput(racerId, second, output) {
    let curve = this.curves.get(racerId)
    if (curve === undefined) this.curves.set(racerId, (curve = []))
    curve[second] = Math.max(curve[second] ?? -Infinity, output)
  }

  /** Returns the ranked rows. */
  ranking() {
    if (!this.isRanked) {
      // Keep the previous order: sorting is fast if only a few rows have moved.
      const known = this.ranked.map(({ racerId }) => this.rows.get(racerId)).filter(Boolean)
      const knownRows = new Set(known)
      const added = [...this.rows.values()].filter((row) => !knownRows.has(row))
      this.ranked = rank([...known, ...added])
      this.isRanked = true
    }
    return this.ranked
  }

  /**
   * Returns the greatest second that half of the racers have reached, or null. The service computes it
   * in the same way.
   */
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

/** The first ranked rows of the all-time board of a class at the second that its race has reached. */
export class Board {
  constructor() {
    this.second = null
    this.racers = 0
    this.rows = []
  }

  apply({ second, racers, rows }) {
    Object.assign(this, { second, racers, rows })
  }
}

/** The races of a class. */
export class Races {
  constructor() {
    this.races = new Map()
  }

  apply({ rows, gone }, isSnapshot) {
    if (isSnapshot) this.races.clear()
    for (const row of rows) this.races.set(row.raceId, row)
    for (const { raceId } of gone) this.races.delete(raceId)
  }

  /** Returns the races, newest first, as the service lists them. */
  newest() {
    return [...this.races.values()].sort((a, b) => b.startedAt - a.startedAt || b.raceId - a.raceId)
  }

  lastFinished() {
    return this.newest().find(({ state }) => state === 'over') ?? null
  }

  /** Predicts the start of the next race after `now` in ms since the epoch, or null if intervals are uneven. */
  predictNextStart(now) {
    const starts = this.newest().slice(0, 4).map(({ startedAt }) => startedAt)
    const gaps = starts.slice(1).map((start, i) => starts[i] - start)
    if (gaps.length < 2) return null
    const isEven = gaps.every((gap) => Math.abs(gap - gaps[0]) < 0.1 * gaps[0])
    const next = starts[0] + gaps[0]
    return isEven && next > now ? next : null
  }
}

/** Returns whether a frame of races has a race that has ended or was removed. */
export function hasEnded({ rows, gone }) {
  return gone.length > 0 || rows.some(({ state }) => state === 'over')
}

/** View counters of projects. */
export class Views {
  constructor() {
    this.projects = new Map()
  }

  apply({ rows }, isSnapshot) {
    if (isSnapshot) this.projects.clear()
    for (const row of rows) this.projects.set(row.projectId, row)
  }

  /** Returns the projects, most viewed first. */
  byViews() {
    const byId = ({ projectId: a }, { projectId: b }) => (a < b ? -1 : Number(a > b))
    return [...this.projects.values()].sort((a, b) => b.views - a.views || byId(a, b))
  }
}

/** The service's own metrics in the last two minutes. */
export class Stats {
  static SECONDS = 120

  constructor() {
    this.seconds = []
  }

  apply(frame) {
    // After a reconnection the last frame may be sent again.
    const identity = ({ asOf, lagMs, residentBytes }) => [asOf, lagMs, residentBytes].join()
    if (this.seconds.length > 0 && identity(this.seconds.at(-1)) === identity(frame)) return
    this.seconds.push(frame)
    if (this.seconds.length > Stats.SECONDS) this.seconds.shift()
  }
}
