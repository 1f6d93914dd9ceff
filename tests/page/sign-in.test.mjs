// The page of a service that requires tokens.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { end, eventually, launch, ride, rows, Service, WITHIN_MS } from './harness.mjs'

const keys = mkdtempSync(join(tmpdir(), 'velodrome-keys-'))
const velodrome = (...args) => execFileSync(process.env.VELODROME, args, { encoding: 'utf8' }).trim()
const token = (scope, ...more) =>
  velodrome('token', '--key-file', `${keys}/pem`, '--scope', scope, '--ttl', '1h', ...more)

let service, browser

before(async () => {
  velodrome('key', `${keys}/pem`)
  service = await Service.start(`serve --listen 127.0.0.1:0 --auth on --key-file ${keys}/pem`)
  browser = await launch()
  const events = [ride(5, 1, 1, 50), ride(6, 2, 1, 50, { classId: 2 }),
    { event: 'view', uuid: 'a', projectId: '*', deviceTimestamp: 1 }]
  await service.post(events, { authorization: `Bearer ${token('admin')}` })
})

after(end)
after(() => rmSync(keys, { recursive: true }))

test('a token opens the page, is stored only in the tab, and appears in no URL', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.setDefaultTimeout(WITHIN_MS)
  const addresses = []
  page.on('request', (request) => addresses.push(request.url()))
  await page.goto(`${service.url}/`)
  await page.getByLabel('Token').fill('not.a.token')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  const own = token('read')
  await page.getByLabel('Token').fill(own)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await eventually(async () => (await rows(page, 'now')).length === 1, 'the board')

  await page.reload()
  await eventually(async () => (await rows(page, 'now')).length === 1, 'the board after a reload')
  assert.ok(!addresses.some((address) => address.includes(own)))
  const kept = await page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length])
  assert.deepEqual(kept, [0, '', 1])
  const other = await context.newPage()
  await other.goto(`${service.url}/`)
  await other.getByLabel('Token').waitFor()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Token').waitFor()
  assert.equal(await page.evaluate(() => sessionStorage.length), 0)
})

test('a token for some classes and projects shows only those', async () => {
  const page = await browser.newPage()
  page.setDefaultTimeout(WITHIN_MS)
  await page.goto(`${service.url}/`)
  await page.getByLabel('Token').fill(token('read', '--classes', '2', '--projects', '*'))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('h1', { hasText: 'Class 2' }).waitFor()
  await eventually(async () => (await rows(page, 'now'))[0]?.racerId === 2, 'the board')
  assert.deepEqual(await page.locator('.classes a').allTextContents(), ['Class 2'])
  await page.getByRole('link', { name: 'Views' }).click()
  await page.locator('.projects .odometer').waitFor()
  await page.getByRole('link', { name: 'Operations' }).click()
  await page.getByText('the token is limited to some classes or projects').waitFor()
})
