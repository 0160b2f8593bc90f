/** An error as the engine numbers it (LocalizedErrorCode of its schema); negative ones are JSON-RPC's own. */
export class EngineError extends Error {
  readonly code: number;
  readonly parameter: string;

  constructor(code: number, message: string, parameter = '') {
    super(message);
    this.name = 'EngineError';
    this.code = code;
    this.parameter = parameter;
  }
}

export const invalidParameters = (parameter: string) => new EngineError(-32602, 'Invalid Params', parameter);
export const accessDenied = () => new EngineError(5, 'Access is denied');
export const objectNotFound = (id: string) => new EngineError(2, 'Not found', id);
export const invalidPath = (path: string) => new EngineError(4, 'Invalid path', path);
export const pagesTooLarge = () => new EngineError(7009, 'Calculation pages are too large');
