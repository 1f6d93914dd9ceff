// Measures the load of the page on the browser's main thread while it shows the running race of class 1 at URL.
//
// Run: node frames.mjs URL RACERS SECONDS, with the environment of harness.mjs

import { end, launch, rows } from './harness.mjs'

const [url, racers, seconds] = process.argv.slice(2)
const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
page.setDefaultTimeout(60_000)
await page.goto(`${url}/?class=1`)
await page.getByText(`${Number(racers).toLocaleString('en')} racers`).first().waitFor()
await page.locator('.now [data-racer] button').first().click()

const devtools = await page.context().newCDPSession(page)
await devtools.send('Performance.enable')
const measured = async () => {
  const { metrics } = await devtools.send('Performance.getMetrics')
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
}
const before = await measured()
const [intervals, moves] = await page.evaluate((ms) => new Promise((resolve) => {
  const [began, times, counted] = [performance.now(), [], { moves: 0 }]
  new MutationObserver((changes) => { counted.moves += changes.length })
    .observe(document.querySelector('.now .window'), { childList: true })
  const frame = (time) => {
    times.push(time)
    if (performance.now() - began < ms) return requestAnimationFrame(frame)
    resolve([times.slice(1).map((at, i) => at - times[i]), counted.moves])
  }
  requestAnimationFrame(frame)
}), seconds * 1_000)
const after = await measured()

const drawn = (await rows(page, 'now')).length
intervals.sort((a, b) => a - b)
const quantile = (q) => intervals[Math.min(intervals.length - 1, Math.floor(q * intervals.length))].toFixed(1)
const perFrame = (name) => (((after[name] - before[name]) * 1e3) / intervals.length).toFixed(2)
console.log(`racers ${racers}, rows drawn ${drawn}, changes of place ${moves}`)
console.log(`frames ${intervals.length} in ${seconds} s`)
console.log(`work a frame, ms: all ${perFrame('TaskDuration')}, script ${perFrame('ScriptDuration')}, `
  + `style ${perFrame('RecalcStyleDuration')}, layout ${perFrame('LayoutDuration')}`)
console.log(`from frame to frame, ms: p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, greatest ${quantile(1)}`)
console.log(`memory of the page: ${(after.JSHeapUsedSize / 1e6).toFixed(1)} MB`)
await end()
