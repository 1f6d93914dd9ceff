// The page: which of its pages is shown, how its stream does, and whether a token is needed.

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

/** Of the stream; a page that follows nothing is `idle`. */
const STATES = {
  idle: '',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  stale: 'Stale',
  refused: 'Refused',
}

class App extends Component {
  constructor(props) {
    super(props)
    // `error`: why the stream is refused; `fault`: why something was not read.
    this.state = { state: 'connecting', error: null, fault: null, asOf: null, session: 0 }
    this.tell = this.tell.bind(this)
    this.go = this.go.bind(this)
    addEventListener('popstate', () => this.forceUpdate())
    addEventListener('click', (event) => this.click(event))
  }

  /** Follows links to pages here, without loading all anew. */
  click(event) {
    const link = event.target.closest?.('a[href]')
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
    if (!link || !isPlain || link.target || link.origin !== location.origin) return
    if (!(link.pathname in PAGES) || link.hash !== '') return
    event.preventDefault()
    const isOther = link.pathname !== location.pathname
    history.pushState(null, '', link.href)
    this.setState({ fault: null })
    if (!isOther) return
    scrollTo(0, 0)
    // Where a new page would begin to be read.
    requestAnimationFrame(() => document.querySelector('h1')?.focus())
  }

  /** Changes parameters of the page that is shown; null takes one away. */
  go(changes) {
    const params = new URLSearchParams(location.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) params.delete(name)
      else params.set(name, value)
    }
    history.replaceState(null, '', `${location.pathname}?${params}`.replace(/\?$/, ''))
    this.setState({ fault: null })
  }

  tell(state, error = null, asOf = null) {
    if (state === 'failed') this.setState({ fault: error })
    else this.setState({ state, error, asOf })
  }

  restart() {
    this.setState(({ session }) => ({ session: session + 1, error: null, fault: null, state: 'connecting' }))
  }

  render(_, { state, error, fault, asOf, session }) {
    const { name, Page } = PAGES[location.pathname] ?? PAGES['/']
    const params = new URLSearchParams(location.search)
    document.title = `${name} · Velodrome`
    const isClosed = error?.status === 401
    const message = (error ?? fault)?.message
    return html`
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="/"><img src="/ui/icon.svg" alt="" width="28" height="28" />Velodrome</a>
        <nav aria-label="Pages">
          ${Object.entries(PAGES).map(([path, page]) => html`
            <a key=${path} href=${path} aria-current=${page.name === name ? 'page' : undefined}>${page.name}</a>`)}
        </nav>
        <p class="state ${state}" role="status" hidden=${state === 'idle'}>
          ${STATES[state]}${state === 'stale' && asOf && html` <span>since ${format.timeWithSeconds(asOf)}</span>`}
        </p>
        ${token() && html`
          <button type="button" class="quiet" onClick=${() => { signOut(); this.restart() }}>Sign out</button>`}
      </header>
      <main id="main" tabindex="-1" class=${state === 'stale' ? 'is-stale' : ''}>
        ${message && !isClosed && html`<p class="error" role="alert">${message}</p>`}
        ${isClosed
          ? html`<${SignIn} isWrong=${token() !== null} message=${message}
                            onToken=${(text) => { signIn(text); this.restart() }} />`
          : html`<${Page} key=${`${name} ${session}`} params=${params} go=${this.go} tell=${this.tell} />`}
      </main>`
  }
}

document.body.replaceChildren()
render(html`<${App} />`, document.body)
