// The page of a node while another node of the cluster is lost, and after it is back.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Cluster, end, eventually, launch, ride, rows, watch, WITHIN_MS } from './harness.mjs'

let browser

before(async () => { browser = await launch() })
after(end)

async function open(url, path) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en' })
  const page = await context.newPage()
  page.setDefaultTimeout(WITHIN_MS)
  page.faults = watch(page, [url])
  await page.goto(url + path)
  return page
}

test('a notice says for which node the cluster waits, and disappears when it is back', async () => {
  const cluster = await Cluster.start(3)
  const [first, second, third] = cluster.nodes
  await second.post([ride(5, 1, 1, 50), ride(5, 2, 1, 60)])
  const pages = [await open(first.url, '/'), await open(second.url, '/operations')]
  await eventually(async () => (await rows(pages[0], 'now')).length === 2, 'the standings')
  for (const page of pages) {
    await page.locator('.top .state.live').waitFor()
    assert.equal(await page.locator('.notice').count(), 0)
  }

  await third.kill()
  const killedAt = Date.now()
  for (const page of pages) {
    await page.getByText(/^Results of \d\d:\d\d:\d\d.*; the cluster waits for node 2\.$/).waitFor()
    await page.locator('.top .state.waiting').waitFor()
  }
  assert.ok(Date.now() - killedAt < 5_000, 'the notices are late')
  // The rows stay, and a page that is opened now shows them with the notice.
  assert.equal((await rows(pages[0], 'now')).length, 2)
  const late = await open(first.url, '/')
  await late.getByText('the cluster waits for node 2').waitFor()
  await late.screenshot({ path: 'target/screenshots/cluster-waits.png' })
  await eventually(async () => (await rows(late, 'now')).length === 2, 'the standings of the late page')
  const sent = first.post([ride(5, 3, 1, 70)], {}, 'without waiting')

  await cluster.restart(2)
  await sent
  for (const page of [...pages, late]) {
    await eventually(async () => (await page.locator('.notice').count()) === 0, 'the end of the notice')
    await page.locator('.top .state.live').waitFor()
  }
  await eventually(async () => (await rows(late, 'now')).length === 3, 'the event that was sent meanwhile')
  assert.deepEqual([...pages, late].flatMap(({ faults }) => faults).filter((fault) => !fault.includes('503')), [])
})
