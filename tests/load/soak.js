import { options as optionsOf, prepare, submit, verify } from './tidewheel.js';

export const options = optionsOf('soak');

export const setup = () => prepare('soak');

export default submit;

export const teardown = (load) => verify('soak', load);
