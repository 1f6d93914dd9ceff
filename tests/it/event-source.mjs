// Streams topics of a service with the `eventsource` package. After each frame it prints the current state of the
// frame's topic as a line of JSON: {"event", "topic", ..., "rows"}.
// It ends when the client stops reconnecting.
//
// Run: node event-source.mjs PACKAGES URL

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [packages, url] = process.argv.slice(2)
const resolve = createRequire(pathToFileURL(`${packages}/`)).resolve
const { EventSource } = await import(pathToFileURL(resolve('eventsource')))

const keys = {
  standings: row => row.racerId ?? row,
  races: row => `${row.classId} ${row.raceId}`,
  views: row => row.projectId
}
const topics = new Map()

function apply({ type, data }) {
  const { rows = [], gone = [], ...fields } = JSON.parse(data)
  const key = keys[fields.topic.split(':')[0]]
  const known = type === 'snapshot' ? new Map() : topics.get(fields.topic)
  for (const row of rows) known.set(key(row), row)
  for (const row of gone) known.delete(key(row))
  topics.set(fields.topic, known)
  console.log(JSON.stringify({ event: type, ...fields, rows: [...known.values()] }))
}

const source = new EventSource(url)
source.addEventListener('snapshot', apply)
source.addEventListener('delta', apply)
source.addEventListener('error', ({ code, message }) => {
  if (source.readyState !== EventSource.CLOSED) return
  console.error(`the client of ${url} stopped: ${code} ${message}`)
  process.exit(1)
})
