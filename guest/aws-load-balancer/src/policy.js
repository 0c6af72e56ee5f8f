// The policy for the AWS Load Balancer Controller: the interface of wit/gateway.wit.

import { defaultSpec } from './defaults.js';
import { entry, queries } from './entry.js';
import { CONTROLLERS, place } from './listeners.js';
import { routeOf } from './route.js';
import { aggregate } from './status.js';
import { invalid } from './text.js';

export const policy = {
  describe: () => ({
    name: 'aws-load-balancer',
    version: '0.1.0',
    controllerNames: CONTROLLERS,
    settings: [],
  }),

  default: defaultSpec,

  routeOf,

  serviceQueries(seen) {
    checkSettings(seen);
    return queries(seen);
  },

  decide(seen) {
    checkSettings(seen);
    return {
      ...place(seen),
      entry: entry(seen),
      template: { labels: [], annotations: [], infrastructure: null },
    };
  },

  aggregateStatus: aggregate,
};

function checkSettings({ settings }) {
  const wrong = settings.map(({ key }) => invalid(
    `metadata.annotations[policy.networking.openfunction.io/${key}]`,
    'is not known: remove it, as policy aws-load-balancer, which serves this Gateway, has no settings',
  ));
  if (wrong.length > 0) throw wrong;
}
