// The form where the user pastes a token.

import { html } from '../html.js'

/** `isRejected`: whether the given token was rejected, with the reason in `message`; `onToken(text)`. */
export function SignIn({ isRejected, message, onToken }) {
  const submit = (event) => {
    event.preventDefault()
    const text = event.target.elements.token.value.trim()
    if (text !== '') onToken(text)
  }
  return html`
    <form class="card sign-in" onSubmit=${submit}>
      <h1 tabindex="-1">Sign in</h1>
      <p>This service requires a token with the scope <code>read</code>. It is stored in this tab only.</p>
      ${isRejected && html`<p class="error" role="alert">${message}</p>`}
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required autofocus
             pattern="\\s*[!-~]+\\s*" title="One complete token" />
      <button type="submit">Sign in</button>
    </form>`
}
