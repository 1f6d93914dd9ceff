// Reads of the service.

import { headers } from './session.js'

/** An answer that is none: `status` is HTTP's, or 0 where the service could not be reached. */
export class ApiError extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message)
    this.status = status
    /** For how many ms the service asks to be left alone. */
    this.retryAfterMs = retryAfter * 1000
  }
}

/** Where `path` is answered, with those of `parameters` that have a value. */
export function url(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null)
  const query = new URLSearchParams(given).toString()
  return query === '' ? path : `${path}?${query}`
}

/** Sends a request, and throws an `ApiError` where it is not answered with success. */
export async function request(address, options = {}) {
  let answer
  try {
    answer = await fetch(address, { ...options, headers: { ...headers(), ...options.headers } })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new ApiError(0, 'the service cannot be reached')
  }
  if (answer.ok) return answer
  const body = await answer.json().catch(() => ({}))
  const message = body.error?.message ?? `the service answers with status ${answer.status}`
  throw new ApiError(answer.status, message, Number(answer.headers.get('retry-after') ?? 0))
}

/** The JSON of a read; null for what is not there. */
export async function read(path, parameters, signal) {
  try {
    const answer = await request(url(path, parameters), { signal })
    return await answer.json()
  } catch (error) {
    if (error.status === 404) return null
    // A connection that breaks in the middle of an answer.
    if (error.status === undefined && error.name !== 'AbortError') throw new ApiError(0, 'the answer broke off')
    throw error
  }
}
