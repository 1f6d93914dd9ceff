// Visits each page of the demonstration in light and dark mode, on a phone and on a wide screen.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { after, before, test } from 'node:test'

import { axe, end, eventually, launch, rows, Service, watch, WITHIN_MS } from './harness.mjs'

const SCREENSHOTS = 'target/screenshots'
const SCREENS = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }

let demo, browser

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  demo = await Service.start('demo --port 0')
  browser = await launch()
})
after(end)

/** How to wait for the content of each page. */
const PAGES = {
  race: ['/?class=1', '.now [data-racer]'],
  results: ['/results?class=2', '.columns td'],
  racer: ['/racer', '#id'],
  views: ['/views', '.projects .odometer'],
  operations: ['/operations', '.tile .figure'],
}

for (const [screen, viewport] of Object.entries(SCREENS)) {
  for (const colorScheme of ['light', 'dark']) {
    test(`all pages on a ${screen} screen, ${colorScheme}`, async () => {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      page.setDefaultTimeout(WITHIN_MS)
      const faults = watch(page, [demo.url])
      for (const [name, [path, shown]] of Object.entries(PAGES)) {
        await page.goto(demo.url + path)
        await page.locator(shown).first().waitFor()
        if (name === 'race') await follow(page)
        if (name === 'racer') await find(page)
        if (name === 'operations') await measured(page)
        await page.locator('.top .state.live').waitFor()
        await page.screenshot({ path: `${SCREENSHOTS}/${name}-${screen}-${colorScheme}.png` })
        await check(page)
        assert.deepEqual(faults, [], name)
        const isWider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
        assert.ok(!isWider, `${name} is wider than the screen`)
      }
    })
  }
}

/** Follows the racer in third place and waits for the curve. */
async function follow(page) {
  const figures = page.locator('.one .figures')
  // The row can move after its place was found and before the pointer is pressed there.
  await eventually(async () => {
    if (await figures.isVisible()) return true
    await page.locator('.now [data-racer] button').nth(2).click({ timeout: 1_000 })
    return false
  }, 'the followed racer')
  await page.locator('.one canvas').waitFor()
}

/** Opens a racer who has records. */
async function find(page) {
  const { rows: [{ racerId }] } = await demo.get('/v1/classes/1/leaderboard?limit=1')
  await page.fill('#id', String(racerId))
  await page.keyboard.press('Enter')
  await page.locator('.curves canvas').first().waitFor()
  await page.locator('td').first().waitFor()
}

/** Waits until the lines of the figures are visible. */
async function measured(page) {
  const points = () => page.locator('polyline').first().getAttribute('points')
  await eventually(async () => (await points()).split(' ').length >= 4, 'four seconds of figures')
  await page.getByText('Ready', { exact: true }).waitFor()
}

/** Asserts that axe finds no accessibility violations. */
async function check(page) {
  const { violations } = await page.evaluate(`${axe}; axe.run()`)
  const messages = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html}`)
  assert.deepEqual(messages, [])
}

test('during a race seconds pass and racers change ranks', async () => {
  const page = await browser.newPage({ viewport: { width: 1440, height: 2600 } })
  const faults = watch(page, [demo.url])
  await page.goto(`${demo.url}/?class=1`)
  await eventually(async () => (await rows(page, 'now')).length === 50, '50 racers')
  const second = async () => Number(await page.locator('.progress b').textContent())
  const [began, places] = [await second(), await rows(page, 'now')]
  await eventually(async () => (await second()) > began + 1, 'the next seconds')
  const order = (board) => board.map(({ racerId }) => racerId).join()
  await eventually(async () => order(await rows(page, 'now')) !== order(places), 'another order')
  assert.deepEqual(faults, [])
})

test('the odometers roll to the counters of the service', async () => {
  const page = await browser.newPage()
  await page.goto(`${demo.url}/views`)
  const total = page.locator('.total .wheels')
  await total.waitFor()
  const shown = () => total.evaluate((wheels) => Number([...wheels.querySelectorAll('.faces')].map((faces) => {
    // The digit of a wheel, computed from its visible offset.
    const digit = Math.round(-new DOMMatrix(getComputedStyle(faces).transform).m42 / faces.parentElement.clientHeight)
    return digit % 10
  }).join('')))
  const before = await shown()
  await eventually(async () => (await shown()) > before, 'more views')
  const isRolling = () => total.evaluate((wheels) => wheels.getAnimations({ subtree: true }).length > 0)
  await eventually(isRolling, 'a wheel that rolls')
  const { rows: projects } = await demo.get('/v1/projects?limit=1000')
  const counted = projects.reduce((sum, { views }) => sum + views, 0)
  await eventually(async () => (await shown()) >= counted, 'all views')
})

test('the page can be operated by keyboard', async () => {
  const page = await browser.newPage({ viewport: { width: 1440, height: 2600 } })
  await page.goto(`${demo.url}/?class=1`)
  await page.locator('.now [data-racer]').first().waitFor()
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement.id === 'main')
  const reach = async (selector) => {
    for (let steps = 0; steps < 60; steps += 1) {
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return
      await page.keyboard.press('Tab')
    }
    assert.fail(`${selector} is out of reach`)
  }
  await reach('.classes a[href*="class=2"]')
  await page.keyboard.press('Enter')
  await page.locator('h1', { hasText: 'Class 2' }).waitFor()
  await page.locator('.now [data-racer]').first().waitFor()
  await reach('.now [data-racer] button')
  const racer = await page.evaluate(() => document.activeElement.closest('[data-racer]').dataset.racer)
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.searchParams.get('racer') === racer)
  await page.locator(`.now .followed[data-racer="${racer}"]`).waitFor()
  // A row keeps the focus when it moves.
  const order = async () => (await rows(page, 'now')).map(({ racerId }) => racerId).join()
  const before = await order()
  await eventually(async () => (await order()) !== before, 'another order')
  assert.equal(await page.evaluate(() => document.activeElement.closest('[data-racer]')?.dataset.racer), racer)
})
