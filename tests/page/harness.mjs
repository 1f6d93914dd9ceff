// The service, the browser, and a proxy between them, for the tests of the page.
//
// Environment: VELODROME is the path of the binary, PACKAGES the directory with playwright-core and axe-core.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const { VELODROME: binary, PACKAGES: packages } = process.env
const require = createRequire(pathToFileURL(`${packages}/`))
const { chromium } = require('playwright-core')

export const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** The maximum time to wait for the page or the service. */
export const WITHIN_MS = 30_000

/** Cleanup functions, in the order in which the resources were created. */
const endings = []

/** Releases all resources in reverse order, after failed tests too. */
export async function end() {
  for (const ending of endings.splice(0).reverse()) await ending()
}

/** Starts Debian's Chromium. The flags keep it from contacting hosts of its vendor. */
export async function launch() {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic']
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', ...quiet]
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
  endings.push(() => browser.close())
  return browser
}

/** Returns a list that collects faults of a page: errors, warnings, and requests to hosts not in `origins`. */
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

/** A running process of the binary, with the address that it prints. */
export class Service {
  /** Runs `command` with a new data directory, or with that of `before`, which has ended. */
  static async start(command, before) {
    const service = new Service()
    service.scratch = before?.scratch ?? mkdtempSync(join(tmpdir(), 'velodrome-page-'))
    const args = [...command.split(' '), '--data', join(service.scratch, 'data'), '--log', 'warn']
    service.child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    service.ended = new Promise((resolve) => service.child.once('exit', resolve))
    endings.push(() => service.end())
    // The demonstration prints its guide once all racers have ridden a second.
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

  /** Sends events. Returns once reads include them, unless `without` says otherwise. */
  async post(events, headers = {}, without) {
    const body = JSON.stringify(events)
    const answer = await fetch(`${this.url}/v1/events`, {
      method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
    })
    const { accepted, rejected, token } = await answer.json()
    assert.equal(accepted, events.length, JSON.stringify(rejected))
    if (without === undefined) await fetch(`${this.url}/v1/classes?after=${token}`, { headers })
  }

  /** Bans a racer and returns once the ban is visible. */
  async ban(racer) {
    assert.equal((await fetch(`${this.url}/v1/bans/${racer}`, { method: 'PUT' })).status, 204)
  }

  async get(path) {
    return (await fetch(`${this.url}${path}`)).json()
  }
}

/** A cluster of processes, each with a directory of its own. */
export class Cluster {
  /** Starts `count` nodes and waits until a generation answers reads on all of them. */
  static async start(count) {
    const cluster = new Cluster()
    const scratch = mkdtempSync(join(tmpdir(), 'velodrome-cluster-'))
    endings.push(() => rmSync(scratch, { recursive: true, force: true }))
    const file = join(scratch, 'files', 'cluster.toml')
    execFileSync(binary, ['cluster', 'init', '--dir', join(scratch, 'files'), '--nodes', String(count)])
    const text = readFileSync(file, 'utf8')
    const ports = await freePorts(count)
    writeFileSync(file, text.replace(/(?<=address = "127\.0\.0\.1:)\d+/g, () => ports.shift()))
    cluster.command = (node) => `serve --listen 127.0.0.1:0 --auth off --cluster ${file} --node ${node}`
    const start = (node) => Service.start(cluster.command(node))
    cluster.nodes = await Promise.all(Array.from({ length: count }, (_, node) => start(node)))
    for (const { url } of cluster.nodes) await eventually(() => isLive(url), 'a generation')
    return cluster
  }

  /** Starts a node again that has ended. Waits until it answers reads. */
  async restart(node) {
    this.nodes[node] = await Service.start(this.command(node), this.nodes[node])
    await eventually(() => isLive(this.nodes[node].url), 'the next generation')
  }
}

async function isLive(url) {
  const answer = await fetch(`${url}/v1/races`)
  return answer.ok && !answer.headers.has('stale')
}

/** Returns ports that are free. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer())
  for (const server of servers) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const ports = servers.map((server) => server.address().port)
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  return ports
}

/** A TCP proxy to `port` that can cut its connections or suppress the data from the service. */
export class TcpProxy {
  static async open(port) {
    const proxy = new TcpProxy()
    proxy.sockets = new Set()
    proxy.server = createServer((client) => proxy.connect(client, port))
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve))
    endings.push(() => proxy.close())
    proxy.url = `http://localhost:${proxy.server.address().port}`
    return proxy
  }

  connect(client, port) {
    if (this.isCut) return client.destroy()
    const service = connectTcp(port, '127.0.0.1')
    for (const socket of [client, service]) {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => { client.destroy(); service.destroy(); this.sockets.delete(socket) })
    }
    client.pipe(service)
    service.on('data', (bytes) => { if (!this.isSilent) client.write(bytes) })
  }

  /** Closes all connections, and refuses new ones until `mend`. */
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

/** Waits until `isTrue` returns true without throwing. */
export async function eventually(isTrue, what = isTrue) {
  const end = Date.now() + WITHIN_MS
  for (let fault; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    try {
      if (await isTrue()) return
    } catch (error) {
      fault = error
    }
    assert.ok(Date.now() < end, `timed out waiting for ${what}${fault ? `: ${fault.message}` : ''}`)
  }
}

/** Returns an event of a ride; its output under the default rules is (cadence + 35) * 1.65. */
export function ride(raceId, racerId, second, cadence, more = {}) {
  const [event, classId, resistance, deviceTimestamp] = ['update', 1, 100, Date.now()]
  return { event, raceId, classId, racerId, second, cadence, resistance, deviceTimestamp, ...more }
}

/** Returns racer, rank and output of each row that a board shows, from the top. */
export function rows(page, board) {
  return page.locator(`.${board} [data-racer]`).evaluateAll((elements) => elements.map((row) => {
    const cells = [...row.querySelectorAll('[role=cell]')].map((cell) => cell.textContent.trim())
    return { racerId: Number(row.dataset.racer), rank: Number(cells[0]), name: cells[1], output: cells.at(-1) }
  }))
}
