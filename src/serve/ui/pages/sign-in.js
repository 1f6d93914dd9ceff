// Where tokens are asked for: the user pastes one.

import { html } from '../html.js'

/** `isWrong`: whether a token was given that is not taken, for the reason in `message`; `onToken(text)`. */
export function SignIn({ isWrong, message, onToken }) {
  const submit = (event) => {
    event.preventDefault()
    const text = event.target.elements.token.value.trim()
    if (text !== '') onToken(text)
  }
  return html`
    <form class="card sign-in" onSubmit=${submit}>
      <h1 tabindex="-1">Sign in</h1>
      <p>This service asks for a token with the scope <code>read</code>. It is kept in this tab alone.</p>
      ${isWrong && html`<p class="error" role="alert">${message}</p>`}
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required autofocus
             pattern="\\s*[!-~]+\\s*" title="The text of one token, whole" />
      <button type="submit">Sign in</button>
    </form>`
}
