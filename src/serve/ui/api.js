// Requests to the service's API.

import { headers } from './session.js'

/** A failed request: `status` is the HTTP status, or 0 if the service could not be reached. */
export class ApiError extends Error {
  constructor(status, message, retryAfterSeconds = 0) {
    super(message)
    this.status = status
    /** The time in ms that the service asks to wait before a retry. */
    this.retryAfterMs = retryAfterSeconds * 1_000
  }
}

/** Returns the URL of `path` with those `parameters` that have a value. */
export function url(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null)
  const query = new URLSearchParams(given).toString()
  return query === '' ? path : `${path}?${query}`
}

/** Sends a request and returns the successful response; otherwise throws an `ApiError`. */
export async function request(address, options = {}) {
  let response
  try {
    response = await fetch(address, { ...options, headers: { ...headers(), ...options.headers } })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new ApiError(0, 'the service cannot be reached')
  }
  if (response.ok) return response
  const body = await response.json().catch(() => ({}))
  const message = body.error?.message ?? `the service responded with status ${response.status}`
  throw new ApiError(response.status, message, Number(response.headers.get('retry-after') ?? 0))
}

/** Returns the JSON of a read, or null for status 404. */
export async function read(path, parameters, signal) {
  try {
    const response = await request(url(path, parameters), { signal })
    return await response.json()
  } catch (error) {
    if (error.status === 404) return null
    // The connection broke in the middle of the response.
    if (error.status === undefined && error.name !== 'AbortError') throw new ApiError(0, 'the connection was lost during a response')
    throw error
  }
}
