declare module 'winston/lib/winston/create-logger.js' {
  import { createLogger } from 'winston';

  export default createLogger;
}

declare module 'winston/lib/winston/transports/stream.js' {
  import { transports } from 'winston';

  export default transports.Stream;
}
