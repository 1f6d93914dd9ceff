// Follows streams with Chromium's own EventSource, which never reconnects after a status other than 200: over a service
// that is killed, one that stops, and one that has no free stream.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { end, eventually, launch, Service } from './harness.mjs'

const SERVE = 'serve --auth off --client-streams 2 --listen'
/** A stream of the service, and one of Firebase's. */
const STREAMS = ['/v1/stream?topics=views:p', '/project/p.json']

let browser

before(async () => { browser = await launch() })
after(end)

/** Opens an `EventSource` for each path in `page`, and collects the views that they report. */
function follow(page, paths) {
  return page.evaluate((paths) => {
    globalThis.sources ??= []
    for (const path of paths) {
      const source = Object.assign(new EventSource(path), { views: undefined })
      const report = ({ data }) => {
        const { rows, data: value } = JSON.parse(data)
        source.views = (rows?.[0] ?? value)?.views ?? source.views
      }
      for (const event of ['snapshot', 'delta', 'put', 'patch']) source.addEventListener(event, report)
      globalThis.sources.push(source)
    }
  }, paths)
}

/** Returns the views that each `EventSource` has reported. None of them may be closed. */
async function views(page) {
  const sources = await page.evaluate(() => globalThis.sources.map(({ url, readyState, views }) =>
    ({ url, isClosed: readyState === EventSource.CLOSED, views: views ?? null })))
  assert.deepEqual(sources.filter(({ isClosed }) => isClosed), [])
  return sources.map((source) => source.views)
}

const view = (uuid) => ({ event: 'view', uuid, projectId: 'p', deviceTimestamp: 1 })

test('an EventSource comes back after a kill and a stop, and waits for a free stream', async () => {
  let service = await Service.start(`${SERVE} 127.0.0.1:0`)
  const page = await (await browser.newContext()).newPage()
  // Not a page of the service, whose own streams would count.
  await page.goto(`${service.url}/healthz`)
  await follow(page, STREAMS)
  await service.post([view('first')])
  await eventually(async () => (await views(page)).every((count) => count === 1), 'the first view')

  for (const [signal, count] of [['SIGKILL', 2], ['SIGTERM', 3]]) {
    service.child.kill(signal)
    await service.ended
    service = await Service.start(`${SERVE} 127.0.0.1:${service.port}`, service)
    await service.post([view(signal)])
    await eventually(async () => (await views(page)).every((shown) => shown === count), `the view after ${signal}`)
  }

  const refused = () => fetch(`${service.url}/metrics`).then((answer) => answer.text())
  await follow(page, STREAMS)
  await eventually(async () => /^velodrome_streams_refused_total\{.*\} [2-9]/m.test(await refused()), 'the refusals')
  assert.deepEqual(await views(page), [3, 3, null, null])
  await page.evaluate(() => { for (const source of globalThis.sources.splice(0, 2)) source.close() })
  await eventually(async () => (await views(page)).every((shown) => shown === 3), 'the free streams')
})
