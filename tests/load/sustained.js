import { options as optionsOf, prepare, submit, verify } from './tidewheel.js';

export const options = optionsOf('sustained');

export const setup = () => prepare('sustained');

export default submit;

export const teardown = (load) => verify('sustained', load);
