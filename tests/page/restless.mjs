// Runs a race in which ranks change every second, until the process is killed: RACERS racers of class 1,
// each with a random output per second. The events are spread over the second, as with real clocks.
//
// Run: node restless.mjs URL RACERS

const [url, racers] = process.argv.slice(2)
const [PARTS, RESISTANCE] = [20, 100]
const headers = { 'content-type': 'application/json' }
const raceId = Math.floor(Date.now() / 300_000)

for (let part = 0; ; part += 1) {
  const events = []
  for (let racerId = part % PARTS; racerId < racers; racerId += PARTS) {
    const second = Math.min(300, Math.floor(part / PARTS) + 1)
    const [cadence, deviceTimestamp] = [60 + Math.random() * 60, Date.now()]
    const rode = { second, cadence, resistance: RESISTANCE, deviceTimestamp }
    events.push({ event: 'update', raceId, classId: 1, racerId, ...rode })
  }
  await fetch(`${url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(events) })
  await new Promise((resolve) => setTimeout(resolve, 1_000 / PARTS))
}
