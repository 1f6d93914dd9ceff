// The user's token. It is stored only in sessionStorage, so it is deleted with the tab.

const KEY = 'velodrome-token'

/** Returns the token, or null. */
export function token() {
  return sessionStorage.getItem(KEY)
}

export function signIn(text) {
  sessionStorage.setItem(KEY, text)
}

export function signOut() {
  sessionStorage.removeItem(KEY)
}

/** Returns the headers of a request. */
export function headers() {
  const bearer = token()
  return bearer === null ? {} : { authorization: `Bearer ${bearer}` }
}

/**
 * Returns the classes and projects in the token's claims: `{classes, projects}`, or null if it is for all. The service
 * checks each request itself; the page uses this only to know what to request.
 */
export function objects() {
  const [, payload] = token()?.split('.') ?? []
  if (payload === undefined) return null
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
    const { classes, projects } = JSON.parse(new TextDecoder().decode(bytes))
    return classes || projects ? { classes: classes ?? [], projects: projects ?? [] } : null
  } catch {
    return null
  }
}
