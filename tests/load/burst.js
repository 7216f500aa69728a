import { options as optionsOf, prepare, submit, verify } from './tidewheel.js';

export const options = optionsOf('burst');

export const setup = () => prepare('burst');

export default submit;

export const teardown = (load) => verify('burst', load);
