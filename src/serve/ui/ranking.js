// Ranks as the service computes them: output descending, then racer ascending; equal outputs share the better rank.

/** Sorts `rows` in place and returns copies with `rank`, from 1. */
export function rank(rows) {
  rows.sort((a, b) => b.output - a.output || a.racerId - b.racerId)
  let [place, last] = [0, null]
  return rows.map((row, index) => {
    if (row.output !== last) [place, last] = [index + 1, row.output]
    return { ...row, rank: place }
  })
}

/** Returns a racer's row, neighbours and gaps in ranked `rows`: `{row, ahead, gap, behind, lead}`, or null. */
export function neighbours(rows, racerId) {
  const index = rows.findIndex((row) => row.racerId === racerId)
  if (index < 0) return null
  const row = rows[index]
  const first = rows.findIndex(({ rank }) => rank === row.rank)
  const ahead = rows[first - 1] ?? null
  const behind = rows.find(({ rank }) => rank > row.rank) ?? null
  return {
    row,
    ahead,
    gap: ahead && ahead.output - row.output,
    behind,
    lead: behind && row.output - behind.output,
  }
}
