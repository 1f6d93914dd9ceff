// Compares the page with the responses of a service to which the tests send events, also after lost connections, a
// killed service, and races that end.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { end, eventually, launch, ride, rows, Service, TcpProxy, watch, WITHIN_MS } from './harness.mjs'

const SERVE = 'serve --listen 127.0.0.1:0 --auth off'
/** Formats an output as the page does. */
const digits = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
/** Viewport high enough to show all rows of the tests. */
const TALL = { width: 1440, height: 4_000 }

let browser

before(async () => { browser = await launch() })
after(end)

/** Opens `path` of a service in a new browser context. The page's `faults` must stay empty. */
async function open(url, path, options = {}) {
  const context = await browser.newContext({ viewport: TALL, locale: 'en', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(WITHIN_MS)
  page.faults = watch(page, [url])
  await page.goto(url + path)
  return page
}

const state = (page) => page.locator('.top .state').textContent()

/** Returns whether the board equals the service's standings of the race, including names and ties. */
async function showsStandings(page, service, race) {
  const { rows: standings } = await service.get(`/v1/races/1/${race}/standings?limit=1000`)
  const expected = standings.map(({ racerId, rank, name, output }) =>
    ({ racerId, rank, name: name ?? `Racer ${racerId}`, output: digits.format(output) }))
  assert.deepEqual(await rows(page, 'now'), expected)
  return expected.length > 0
}

/** Returns whether the odometers equal the service's counters. */
async function showsViews(page, service) {
  const { rows: projects } = await service.get('/v1/projects')
  const cards = page.locator('.projects li')
  const shown = await cards.evaluateAll((items) => items.map((item) =>
    [item.querySelector('h2').textContent, item.querySelector('.visually-hidden').textContent]))
  assert.deepEqual(shown, projects.map(({ projectId, views }) => [projectId, `${views} views`]))
  return projects.length > 0
}

/** Returns a pseudo-random generator that is the same in each run. */
function chance(seed) {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('boards equal the standings of the service, with ties and with names that look like markup', async () => {
  const service = await Service.start(SERVE)
  const page = await open(service.url, '/')
  const below = chance(7)
  for (let round = 1; round <= 12; round += 1) {
    const names = ['<img src=x onerror=alert(1)>', 'Zoë', '&lt;b&gt;', undefined]
    const event = () => {
      const racer = below(60)
      return ride(5, racer, round, 40 + below(8), { name: names[racer % names.length] })
    }
    await service.post(Array.from({ length: 30 }, event))
    await eventually(() => showsStandings(page, service, 5), `the standings of round ${round}`)
  }
  const [leader] = await rows(page, 'now')
  await service.ban(leader.racerId)
  await eventually(async () => (await rows(page, 'now'))[0].racerId !== leader.racerId, 'the removal of the banned racer')
  await eventually(() => showsStandings(page, service, 5), 'the standings of the others')
  assert.deepEqual(page.faults, [])
})

test('only visible rows of a thousand racers are drawn, and each racer can be found', async () => {
  const service = await Service.start(SERVE)
  const page = await open(service.url, '/', { viewport: { width: 1440, height: 900 } })
  const racers = [...Array(1_000).keys()]
  await service.post(racers.map((racer) => ride(5, racer, 1, 100 - racer / 20, { name: `R${racer}` })))
  await page.getByText('1,000 racers').waitFor()
  await eventually(async () => (await rows(page, 'now'))[0]?.racerId === 0, 'the first rows')
  assert.ok((await rows(page, 'now')).length < 60)
  await page.locator('.now .rows').evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight))
  await eventually(async () => (await rows(page, 'now')).at(-1).rank === 1_000, 'the last rows')
  assert.ok((await rows(page, 'now')).length < 60)

  await page.getByLabel('Find a racer in this race').fill('r500')
  await eventually(async () => (await rows(page, 'now')).length === 1, 'the racer that is found')
  await page.locator('.now [data-racer] button').click()
  await page.getByLabel('Find a racer in this race').fill('')
  await page.getByRole('button', { name: 'R500 is 501st of 1,000' }).click()
  await page.locator('.now .followed').waitFor()
  await eventually(() => page.locator('.now .followed').evaluate((row) => {
    const [at, board] = [row.getBoundingClientRect(), row.closest('.rows').getBoundingClientRect()]
    return at.top >= board.top && at.bottom <= board.bottom
  }), 'the racer to be visible')
})

test('an invalid class shows the first class', async () => {
  const service = await Service.start(SERVE)
  for (const path of ['/?class=x', '/results?class=-1', '/?class=1.5']) {
    const page = await open(service.url, path)
    await page.locator('.top .state.live').waitFor()
    assert.match(await page.locator('.classes [aria-current]').textContent(), /Class\s*1/)
  }
})

test('a row moves to its new rank, unless reduced motion is preferred', async () => {
  const service = await Service.start(SERVE)
  await service.post([ride(5, 1, 1, 60), ride(5, 2, 1, 50)])
  for (const reducedMotion of ['no-preference', 'reduce']) {
    const page = await open(service.url, '/', { reducedMotion })
    await eventually(() => showsStandings(page, service, 5), 'the standings')
    await page.evaluate(() => {
      const { animate } = Element.prototype
      globalThis.moves = []
      Element.prototype.animate = function (...how) {
        if (this.matches('[data-racer]')) globalThis.moves.push([Number(this.dataset.racer), how[0][0].transform])
        return animate.apply(this, how)
      }
    })
    const [first, last] = await rows(page, 'now')
    await service.post([ride(5, last.racerId, 2, reducedMotion === 'reduce' ? 90 : 80)])
    await eventually(() => showsStandings(page, service, 5), 'the new ranks')
    assert.equal((await rows(page, 'now'))[0].racerId, last.racerId)
    // Each row starts from its old position: one from the row below, the other from the row above.
    const moves = [[last.racerId, 'translateY(40px)'], [first.racerId, 'translateY(-40px)']]
    assert.deepEqual(await page.evaluate(() => globalThis.moves), reducedMotion === 'reduce' ? [] : moves)
    }
})

test('no row moves between press and release of the pointer', async () => {
  const service = await Service.start(SERVE)
  await service.post([ride(5, 1, 1, 60), ride(5, 2, 1, 50)])
  const page = await open(service.url, '/')
  await eventually(() => showsStandings(page, service, 5), 'the standings')
  await page.locator('.now [data-racer="2"] button').hover()
  await page.mouse.down()
  await service.post([ride(5, 2, 2, 80)])
  await page.locator('.all').getByText('No records at this second').waitFor()
  await eventually(async () => (await page.locator('.progress b').textContent()) === '2', 'the update in the meantime')
  assert.deepEqual((await rows(page, 'now')).map(({ racerId }) => racerId), [1, 2])
  await page.mouse.up()
  await page.waitForURL((url) => url.searchParams.get('racer') === '2')
  await eventually(() => showsStandings(page, service, 5), 'the new ranks')
})

test('after a lost connection the page resumes and gets missed frames once', async () => {
  const service = await Service.start(SERVE)
  const proxy = await TcpProxy.open(service.port)
  const [race, views] = [await open(proxy.url, '/'), await open(proxy.url, '/views')]
  const view = (n) => ({ event: 'view', uuid: `u${n}`, projectId: `p${n % 3}`, deviceTimestamp: 1 })
  await service.post([...Array(20).keys()].flatMap((n) => [ride(5, n, 1, 50 + n), view(n)]))
  const isExact = async () => (await showsStandings(race, service, 5)) && (await showsViews(views, service))
  await eventually(isExact, 'the first events')

  proxy.cut()
  await eventually(async () => (await state(race)) === 'Reconnecting', 'the loss of the connection')
  await service.post([...Array(30).keys()].flatMap((n) => [ride(5, n, 2, 80 - n), view(n)]))
  await eventually(async () => /^Stale since \d/.test(await state(race)), 'the state "stale"')
  const resumed = race.waitForRequest((request) => request.url().includes('/v1/stream'))
  proxy.mend()
  assert.match((await (await resumed).allHeaders())['last-event-id'], /./)
  await eventually(async () => (await state(race)) === 'Live' && (await state(views)) === 'Live', 'the connection')
  await eventually(isExact, 'the missed events')

  await service.kill()
  await eventually(async () => (await state(race)) === 'Reconnecting', 'the loss of the service')
  proxy.cut()
  const again = await Service.start(`serve --listen 127.0.0.1:${service.port} --auth off`, service)
  await again.post([ride(5, 3, 3, 99), view(40)])
  // After the ban, no further row has the racer.
  await again.ban(7)
  proxy.mend()
  await eventually(async () => (await state(race)) === 'Live' && (await state(views)) === 'Live', 'the service')
  await eventually(isExact, 'the events after the restart')
})

test('a hidden page closes its connection and resumes when it is shown', async () => {
  const service = await Service.start(SERVE)
  const page = await open(service.url, '/')
  await service.post([ride(5, 1, 1, 50)])
  await eventually(() => showsStandings(page, service, 5), 'the standings')
  const turn = (isHidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
    document.dispatchEvent(new Event('visibilitychange'))
  }, isHidden)
  const streams = () => fetch(`${service.url}/metrics`).then((answer) => answer.text())
  await turn(true)
  await eventually(async () => /^velodrome_streams 0$/m.test(await streams()), 'the end of the stream')
  await service.post([ride(5, 2, 1, 60)])
  await turn(false)
  await eventually(() => showsStandings(page, service, 5), 'the missed events')
  assert.deepEqual(page.faults, [])
})

test('a silent connection is replaced after a timeout', async () => {
  const service = await Service.start(SERVE)
  const proxy = await TcpProxy.open(service.port)
  const page = await open(proxy.url, '/')
  await eventually(async () => (await state(page)) === 'Live', 'the stream')
  await page.clock.install()
  // The running timer was set before the fake clock was installed; the next chunk sets a new one.
  await service.post([ride(5, 1, 1, 50)])
  await eventually(async () => {
    await page.clock.runFor(300)
    return (await rows(page, 'now')).length === 1
  }, 'the first row')
  proxy.isSilent = true
  await page.clock.runFor(21_000)
  await eventually(async () => (await state(page)) !== 'Live', 'the end of the silent connection')
  proxy.mend()
  await service.post([ride(5, 2, 1, 60)])
  await eventually(async () => {
    await page.clock.runFor(1_000)
    return (await state(page)) === 'Live' && (await rows(page, 'now')).length === 2
  }, 'a new connection')
})

test('results are shown between races, and the next race shows new records', async () => {
  // At 15 times the speed, a race of 300 s and a minute of grace ends within 24 s.
  const service = await Service.start(`${SERVE} --clock-speed 15 --clock-from ${Date.now()}`)
  const page = await open(service.url, '/?class=1&racer=7')
  const seconds = (race, racer, cadences) => cadences.map((cadence, i) => ride(race, racer, i + 1, cadence))
  await service.post([...seconds(1, 7, [50, 50, 50]), ...seconds(1, 8, [60, 60, 60]),
    ride(1, 7, 4, 51, { event: 'final' }), ride(1, 8, 4, 61, { event: 'final' })])
  await page.getByText('No race is running.').waitFor()
  const last = page.getByRole('table', { name: 'Last race' })
  await eventually(async () => (await last.locator('tbody tr').count()) === 2, 'the results')
  assert.match(await last.locator('tbody tr').first().textContent(), /1\s*Racer 8\s*158\.4/)
  await page.getByText('Racer 7 finished 2nd of 2.').waitFor()
  assert.match(await page.getByRole('table', { name: 'Leaderboard' }).textContent(), /Racer 8\s*158\.4/)

  await service.post(seconds(2, 7, [49, 52]))
  const figures = page.locator('.one .figures')
  await figures.locator('img[alt="New record at this second"]').waitFor()
  assert.match(await figures.textContent(), /Record at this second\s*140\.3\s*New records\s*1$/)
  await eventually(async () => (await rows(page, 'all'))[0]?.output === '156.8', 'the all-time board')
  await service.post([ride(2, 7, 3, 49)])
  await eventually(async () => (await figures.locator('img').count()) === 0, 'the end of the record at the third second')
  // A page that is opened now shows the earlier part of the ride.
  const late = await open(service.url, '/?class=1&racer=7')
  await eventually(async () => /New records\s*1$/.test(await late.locator('.one .figures').textContent()), 'the record')
  const chart = await page.locator('.one figure').textContent()
  assert.match(chart, /Class best\s*Own record\s*This race/)
})
