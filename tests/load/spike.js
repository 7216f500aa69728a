import { options as optionsOf, prepare, submit, verify } from './tidewheel.js';

export const options = optionsOf('spike');

export const setup = () => prepare('spike');

export default submit;

export const teardown = (load) => verify('spike', load);
