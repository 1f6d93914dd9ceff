// Beacons of pages in Chromium: `navigator.sendBeacon` sends no headers of its own, and no page sees its answer.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { end, eventually, launch, Service, WITHIN_MS } from './harness.mjs'

const keys = mkdtempSync(join(tmpdir(), 'velodrome-keys-'))
const velodrome = (...args) => execFileSync(process.env.VELODROME, args, { encoding: 'utf8' }).trim()
const token = (scope) => velodrome('token', '--key-file', `${keys}/pem`, '--scope', scope, '--ttl', '1h')
const view = (uuid) => ({ event: 'view', uuid, projectId: 'intro', deviceTimestamp: 1 })

const site = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<title>A site</title>'))
let origin, browser

before(async () => {
  velodrome('key', `${keys}/pem`)
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${site.address().port}`
  browser = await launch()
})

after(end)
after(() => site.close())
after(() => rmSync(keys, { recursive: true }))

/** Sends beacons from a page of another origin, each a text or, with `type`, a blob. */
async function send(url, beacons) {
  const page = await browser.newPage()
  page.setDefaultTimeout(WITHIN_MS)
  await page.goto(origin)
  const queued = await page.evaluate(([url, beacons]) => beacons.map(({ text, type }) =>
    navigator.sendBeacon(url, type ? new Blob([text], { type }) : text)), [url, beacons])
  assert.ok(queued.every(Boolean))
  return page
}

test('beacons of another site count with a token in the URL, as text and as JSON', async () => {
  const service = await Service.start(
    `serve --listen 127.0.0.1:0 --key-file ${keys}/pem --cors-origin ${origin}`)
  const page = await send(`${service.url}/v1/events?auth=${token('ingest')}`, [
    { text: JSON.stringify(view('a')) },
    { text: `${JSON.stringify(view('b'))}\n${JSON.stringify(view('c'))}` },
    { text: JSON.stringify([view('d')]), type: 'application/json' },
  ])
  const headers = { authorization: `Bearer ${token('read')}` }
  const views = async () => (await (await fetch(`${service.url}/v1/projects/intro`, { headers })).json()).views
  await eventually(async () => await views() === 4, 'four views')
  await page.close()
})

test('without tokens, beacons of other sites are refused', async () => {
  const service = await Service.start('serve --listen 127.0.0.1:0 --auth off')
  const page = await send(`${service.url}/v1/events`, [{ text: JSON.stringify(view('a')) }])
  const refused = async () => {
    const metrics = await (await fetch(`${service.url}/metrics`)).text()
    return /velodrome_http_requests_total\{route="\/v1\/events",status="403"\} 1/.test(metrics)
  }
  await eventually(refused, 'the refusal')
  assert.deepEqual((await service.get('/v1/projects')).rows, [])
  await page.close()
})
