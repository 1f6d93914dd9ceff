// The application: selects the page, shows the state of its stream, and asks for a token if one is needed.

import * as format from './format.js'
import { Component, html, render } from './html.js'
import { Operations } from './pages/operations.js'
import { Race } from './pages/race.js'
import { Racer } from './pages/racer.js'
import { Results } from './pages/results.js'
import { SignIn } from './pages/sign-in.js'
import { Views } from './pages/views.js'
import { signIn, signOut, token } from './session.js'

const PAGES = {
  '/': { name: 'Race', Page: Race },
  '/results': { name: 'Results', Page: Results },
  '/racer': { name: 'Racer', Page: Racer },
  '/views': { name: 'Views', Page: Views },
  '/operations': { name: 'Operations', Page: Operations },
}

/** The states of the stream. A page without a stream is `idle`, and one whose service waits for its cluster `waiting`. */
const STATES = {
  idle: '',
  connecting: 'Connecting',
  live: 'Live',
  waiting: 'Waiting',
  reconnecting: 'Reconnecting',
  stale: 'Stale',
  refused: 'Rejected',
}

class App extends Component {
  constructor(props) {
    super(props)
    // `error`: why the stream is refused; `readError`: why a read failed.
    // `status`: whether the service updates its results, and until when it did.
    const status = { stale: null, asOf: null }
    this.state = { state: 'connecting', error: null, readError: null, asOf: null, session: 0, status }
    this.onState = this.onState.bind(this)
    this.onStatus = (status) => this.setState({ status })
    this.setParams = this.setParams.bind(this)
    addEventListener('popstate', () => this.forceUpdate())
    addEventListener('click', (event) => this.click(event))
  }

  /** Opens links to other pages of the application without a reload. */
  click(event) {
    const link = event.target.closest?.('a[href]')
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
    if (!link || !isPlain || link.target || link.origin !== location.origin) return
    if (!(link.pathname in PAGES) || link.hash !== '') return
    event.preventDefault()
    const isOtherPage = link.pathname !== location.pathname
    history.pushState(null, '', link.href)
    this.setState({ readError: null })
    if (!isOtherPage) return
    scrollTo(0, 0)
    // As after a page load, screen readers start at the heading.
    requestAnimationFrame(() => document.querySelector('h1')?.focus())
  }

  /** Changes URL parameters of the current page; null removes one. */
  setParams(changes) {
    const params = new URLSearchParams(location.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) params.delete(name)
      else params.set(name, value)
    }
    history.replaceState(null, '', `${location.pathname}?${params}`.replace(/\?$/, ''))
    this.setState({ readError: null })
  }

  onState(state, error = null, asOf = null) {
    if (state === 'failed') return this.setState({ readError: error })
    this.setState({ state, error, asOf })
    // Without a stream, the page does not learn when results are updated again.
    if (state === 'idle') this.onStatus({ stale: null, asOf: null })
  }

  restart() {
    this.setState(({ session }) => ({ session: session + 1, error: null, readError: null, state: 'connecting' }))
  }

  render(_, { state, error, readError, asOf, session, status }) {
    const { name, Page } = PAGES[location.pathname] ?? PAGES['/']
    const params = new URLSearchParams(location.search)
    document.title = `${name} · Velodrome`
    const needsToken = error?.status === 401
    const message = (error ?? readError)?.message
    // A stream of results that are not updated is not live.
    const shown = state === 'live' && status.stale ? 'waiting' : state
    return html`
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="/"><img src="/ui/icon.svg" alt="" width="28" height="28" />Velodrome</a>
        <nav aria-label="Pages">
          ${Object.entries(PAGES).map(([path, page]) => html`
            <a key=${path} href=${path} aria-current=${page.name === name ? 'page' : undefined}>${page.name}</a>`)}
        </nav>
        <p class="state ${shown}" role="status" hidden=${shown === 'idle'}>
          ${STATES[shown]}${shown === 'stale' && asOf && html` <span>since ${format.timeWithSeconds(asOf)}</span>`}
        </p>
        ${token() && html`
          <button type="button" class="quiet" onClick=${() => { signOut(); this.restart() }}>Sign out</button>`}
      </header>
      <main id="main" tabindex="-1" class=${['stale', 'waiting'].includes(shown) ? 'is-stale' : ''}>
        ${status.stale && html`
          <p class="notice" role="status">
            ${status.asOf ? `Results of ${format.timeWithSeconds(status.asOf)}` : 'No results yet'}; ${status.stale}.
          </p>`}
        ${message && !needsToken && html`<p class="error" role="alert">${message}</p>`}
        ${needsToken
          ? html`<${SignIn} isRejected=${token() !== null} message=${message}
                            onToken=${(text) => { signIn(text); this.restart() }} />`
          : html`<${Page} key=${`${name} ${session}`} params=${params}
                          setParams=${this.setParams} onState=${this.onState}
                          onStatus=${this.onStatus} />`}
      </main>`
  }
}

document.body.replaceChildren()
render(html`<${App} />`, document.body)
