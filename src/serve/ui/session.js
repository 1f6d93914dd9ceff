// The token that the user gave, in sessionStorage alone: it goes with the tab.

const KEY = 'velodrome-token'

/** The token, or null. */
export function token() {
  return sessionStorage.getItem(KEY)
}

export function signIn(text) {
  sessionStorage.setItem(KEY, text)
}

export function signOut() {
  sessionStorage.removeItem(KEY)
}

/** The headers of a request. */
export function headers() {
  const bearer = token()
  return bearer === null ? {} : { authorization: `Bearer ${bearer}` }
}

/**
 * The classes and projects that the token is for, as it says itself: `{classes, projects}`, or null where it is
 * for all. The service checks each request all the same; this is what to ask for.
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
