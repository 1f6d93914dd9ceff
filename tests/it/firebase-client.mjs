// Streams a path of a service's Firebase tree with the `eventsource` package, as a Firebase REST client does.
// After each event it prints the current value as a line of JSON: {"event", "topic", "value"}.
// It ends when the client stops reconnecting.
//
// Run: node firebase-client.mjs PACKAGES URL

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [packages, url] = process.argv.slice(2)
const resolve = createRequire(pathToFileURL(`${packages}/`)).resolve
const { EventSource } = await import(pathToFileURL(resolve('eventsource')))

const tree = { value: null }

function put(path, data) {
  const keys = ['value', ...path.split('/').filter(Boolean)]
  const last = keys.pop()
  keys.reduce((node, key) => (node[key] ??= {}), tree)[last] = data
}

function apply({ type, data }) {
  const { path, data: value } = JSON.parse(data)
  if (type === 'put') put(path, value)
  else for (const [key, child] of Object.entries(value)) put(`${path}/${key}`, child)
  console.log(JSON.stringify({ event: type, topic: new URL(url).pathname, ...tree }))
}

const source = new EventSource(url)
source.addEventListener('put', apply)
source.addEventListener('patch', apply)
source.addEventListener('error', ({ code, message }) => {
  if (source.readyState !== EventSource.CLOSED) return
  console.error(`the client of ${url} stopped: ${code} ${message}`)
  process.exit(1)
})
