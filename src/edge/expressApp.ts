// A file of its own, so that the bundler can load the package late and still know what it exports.
export { default as express } from 'express';
