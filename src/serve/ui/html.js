// What all components are written with: preact, and templates in place of a build step.

import { h } from './vendor/preact.js'
import htm from './vendor/htm.js'

export { Component, createRef, render } from './vendor/preact.js'

export const html = htm.bind(h)
