// A service, a browser, and what is between them, for the tests of the page.
//
// VELODROME: the binary; PACKAGES: where npm put playwright-core and axe-core.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const { VELODROME: binary, PACKAGES: packages } = process.env
const require = createRequire(pathToFileURL(`${packages}/`))
const { chromium } = require('playwright-core')

export const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** How long the page and the service have for what they are waited for. */
export const WITHIN_MS = 30_000

/** How to end what was begun, in turn. */
const endings = []

/** Ends all that was begun, whether it went well or not. */
export async function end() {
  for (const ending of endings.splice(0).reverse()) await ending()
}

/** Debian's Chromium, which tries to reach hosts of its maker where nobody keeps it from it. */
export async function launch() {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic']
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', ...quiet]
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
  endings.push(() => browser.close())
  return browser
}

/** Tells of all that a page must not do: errors, and requests to other hosts than `origins`. */
export function watch(page, origins) {
  const faults = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(error.stack))
  page.on('request', (request) => {
    if (!origins.includes(new URL(request.url()).origin)) faults.push(`request to ${request.url()}`)
  })
  return faults
}

/** A process of the binary, and the address that it prints. */
export class Service {
  /** Runs `command` on a data directory of its own, or on that of `before`, which has ended. */
  static async start(command, before) {
    const service = new Service()
    service.scratch = before?.scratch ?? mkdtempSync(join(tmpdir(), 'velodrome-page-'))
    const args = [...command.split(' '), '--data', join(service.scratch, 'data'), '--log', 'warn']
    service.child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    service.ended = new Promise((resolve) => service.child.once('exit', resolve))
    endings.push(() => service.end())
    // The demonstration prints its tour once all have ridden a second.
    const last = command.startsWith('demo') ? /Ctrl-C/ : /http/
    for await (const line of createInterface({ input: service.child.stdout })) {
      service.url ??= line.match(/https?:\/\/\S+/)?.[0]
      if (last.test(line)) break
    }
    assert.ok(service.url, 'the service ended')
    service.child.stdout.resume()
    await eventually(async () => (await fetch(`${service.url}/readyz`)).ok)
    return service
  }

  get port() {
    return Number(new URL(this.url).port)
  }

  async kill() {
    this.child.kill('SIGKILL')
    await this.ended
  }

  async end() {
    this.child.kill('SIGTERM')
    await this.ended
    rmSync(this.scratch, { recursive: true, force: true })
  }

  /** Sends events, and returns once they are visible. */
  async post(events, headers = {}) {
    const body = JSON.stringify(events)
    const answer = await fetch(`${this.url}/v1/events`, {
      method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
    })
    const { accepted, rejected, token } = await answer.json()
    assert.equal(accepted, events.length, JSON.stringify(rejected))
    await fetch(`${this.url}/v1/classes?after=${token}`, { headers })
  }

  /** Takes a racer out of all that is shown, once that can be seen. */
  async ban(racer) {
    assert.equal((await fetch(`${this.url}/v1/bans/${racer}`, { method: 'PUT' })).status, 204)
  }

  async get(path) {
    return (await fetch(`${this.url}${path}`)).json()
  }
}

/** Hands connections on to `port`, until it is told to cut them or to hold back what the service says. */
export class Between {
  static async open(port) {
    const between = new Between()
    between.sockets = new Set()
    between.server = createServer((client) => between.take(client, port))
    await new Promise((resolve) => between.server.listen(0, '127.0.0.1', resolve))
    endings.push(() => between.close())
    between.url = `http://localhost:${between.server.address().port}`
    return between
  }

  take(client, port) {
    if (this.isCut) return client.destroy()
    const service = connect(port, '127.0.0.1')
    for (const socket of [client, service]) {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => { client.destroy(); service.destroy(); this.sockets.delete(socket) })
    }
    client.pipe(service)
    service.on('data', (bytes) => { if (!this.isSilent) client.write(bytes) })
  }

  /** Cuts what is connected, and all that comes until `mend`. */
  cut() {
    this.isCut = true
    for (const socket of this.sockets) socket.destroy()
  }

  mend() {
    this.isCut = this.isSilent = false
  }

  async close() {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

/** Waits until `isTrue` and throws nothing. */
export async function eventually(isTrue, what = isTrue) {
  const end = Date.now() + WITHIN_MS
  for (let fault; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    try {
      if (await isTrue()) return
    } catch (error) {
      fault = error
    }
    assert.ok(Date.now() < end, `waited in vain for ${what}${fault ? `: ${fault.message}` : ''}`)
  }
}

/** An event of a ride whose output, by the usual rules, is (cadence + 35) * 1.65. */
export function ride(raceId, racerId, second, cadence, more = {}) {
  const [event, classId, resistance, deviceTimestamp] = ['update', 1, 100, Date.now()]
  return { event, raceId, classId, racerId, second, cadence, resistance, deviceTimestamp, ...more }
}

/** What a board shows: of each row racer, rank and output, from the top. */
export function rows(page, board) {
  return page.locator(`.${board} [data-racer]`).evaluateAll((elements) => elements.map((row) => {
    const cells = [...row.querySelectorAll('[role=cell]')].map((cell) => cell.textContent.trim())
    return { racerId: Number(row.dataset.racer), rank: Number(cells[0]), name: cells[1], output: cells.at(-1) }
  }))
}
