/** A file of its own, so that it can be loaded late: what a bundle imports late of a CommonJS package has no names. */
export { fetch } from 'undici';
