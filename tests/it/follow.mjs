// Follows topics of a service with the `eventsource` package, and prints after each frame what it has
// made of all frames of its topic, as a line of JSON: {"event", "topic", ..., "rows"}.
//
// Run: node follow.mjs PACKAGES URL

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

function take({ type, data }) {
  const { rows = [], gone = [], ...fields } = JSON.parse(data)
  const key = keys[fields.topic.split(':')[0]]
  const known = type === 'snapshot' ? new Map() : topics.get(fields.topic)
  for (const row of rows) known.set(key(row), row)
  for (const row of gone) known.delete(key(row))
  topics.set(fields.topic, known)
  console.log(JSON.stringify({ event: type, ...fields, rows: [...known.values()] }))
}

const source = new EventSource(url)
source.addEventListener('snapshot', take)
source.addEventListener('delta', take)
