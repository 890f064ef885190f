import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  DeviceLoginProof,
  ExcessDevices,
  HardwareIds,
  type SiteSettings as SiteRow,
  UnitTime,
} from '../../../generated/prisma/client.ts';
import { JsonScalar } from '../../../platform/graphql/scalars.ts';
import { LinkTemplateFormat, type LinkTemplate as Template } from './link-templates.ts';

registerEnumType(DeviceLoginProof, {
  name: 'DeviceLoginProof',
  description: 'Whether a device must prove at login that it is the device that registered.',
  valuesConfig: {
    REQUIRED: { description: 'Every login must carry a secret or a proof signed with a key.' },
    OPTIONAL: {
      description:
        'For apps that support neither. A device can log in with its identifier alone; once it has presented a secret or a key, that becomes required.',
    },
  },
});

registerEnumType(ExcessDevices, {
  name: 'ExcessDevices',
  description:
    'Which devices servers disconnect when a subscription is used from more devices than its plan allows.',
  valuesConfig: {
    DISCONNECT_OLDEST: { description: 'A new device takes the place of the one that connected first.' },
    DISCONNECT_NEWEST: { description: 'A new device is refused until another disconnects.' },
  },
});

registerEnumType(HardwareIds, {
  name: 'HardwareIds',
  description:
    'Whether the devices of proxy clients, which they declare in `x-hwid` when they read a subscription link, are devices of the account.',
  valuesConfig: {
    OFF: { description: 'Links ignore the header.' },
    OPTIONAL: { description: 'Declared devices count; clients that declare none get the nodes as well.' },
    REQUIRED: { description: 'Clients that declare no device get no nodes.' },
  },
});

type PublicFields = Pick<
  SiteRow,
  | 'name'
  | 'description'
  | 'logo'
  | 'keywords'
  | 'customHtml'
  | 'customData'
  | 'currency'
  | 'registrationEnabled'
  | 'deviceLoginProof'
  | 'transportEncryption'
>;

@ObjectType({ description: 'Public settings of the site, which apps and pages need before login.' })
export class GlobalConfig implements PublicFields {
  @Field(() => String, { description: 'Name of the site.' })
  name!: string;

  @Field(() => String, { description: 'Description of the site for users. May be empty.' })
  description!: string;

  @Field(() => String, {
    nullable: true,
    description: 'URL of the logo, or its path on this host. Null if not set.',
  })
  logo!: string | null;

  @Field(() => [String], { description: 'Keywords for search engines.' })
  keywords!: string[];

  @Field(() => String, {
    nullable: true,
    description: 'HTML that pages embed without escaping. Null if not set.',
  })
  customHtml!: string | null;

  @Field(() => JsonScalar, {
    description: 'JSON object with further settings that the apps of this site define.',
  })
  customData!: SiteRow['customData'];

  @Field(() => String, { description: 'ISO 4217 code of the currency of the site.' })
  currency!: string;

  @Field(() => Boolean, { description: 'Whether new accounts can be created.' })
  registrationEnabled!: boolean;

  @Field(() => DeviceLoginProof, {
    description: 'Whether devices must present a secret or a proof at login.',
  })
  deviceLoginProof!: DeviceLoginProof;

  @Field(() => Boolean, { description: 'Whether devices must encrypt requests and responses.' })
  transportEncryption!: boolean;
}

@ObjectType({ description: 'All settings of the site. Only admins can read them.' })
export class SiteSettings extends GlobalConfig implements Omit<SiteRow, 'id' | 'linkTemplates'> {
  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices bound to one account. Null is unlimited.',
  })
  deviceLimit!: number | null;

  @Field(() => HardwareIds, {
    description: 'Whether proxy clients have to declare their device to read a subscription link.',
  })
  hardwareIds!: HardwareIds;

  @Field(() => ExcessDevices, {
    description:
      'Which devices servers disconnect when a subscription is used from more than `Plan.deviceLimit`, at all servers together.',
  })
  excessDevices!: ExcessDevices;

  @Field(() => Int, {
    description:
      'Seconds for which a device that disconnects keeps its place, so that one that reconnects is not a new device. With DISCONNECT_NEWEST, a device above the limit is tolerated as long, so that one whose address changes is not refused.',
  })
  roamingSeconds!: number;

  @Field(() => ID, {
    nullable: true,
    description: 'UUID of the plan that new accounts get as a trial. Null if there is no trial.',
  })
  trialPlanId!: string | null;

  @Field(() => UnitTime, {
    nullable: true,
    description: 'Unit of the duration of the trial. Null if there is no trial.',
  })
  trialUnitTime!: UnitTime | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Duration of the trial in units. Null if there is no trial.',
  })
  trialQuantity!: number | null;

  @Field(() => Int, {
    description: 'Increases with each change. Pass it to the next update to detect concurrent edits.',
  })
  version!: number;
}

@InputType({
  description:
    'Changes to the settings of the site. Absent fields keep their value; null clears optional ones.',
})
export class UpdateSiteInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version that was read. Fails with EDIT_CONFLICT if it has changed since. If absent, the last write wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Name of the site, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Description of the site for users, up to 1000 characters.',
  })
  description?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'URL (http or https) of the logo, or a path that starts with `/`. Null removes it.',
  })
  logo?: string | null;

  @Field(() => [String], { nullable: true, description: 'Up to 100 keywords of up to 50 characters each.' })
  keywords?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'HTML that pages embed without escaping, up to 16384 characters. Null removes it.',
  })
  customHtml?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'JSON object of up to 32 KiB. Replaces the whole current object.',
  })
  customData?: unknown;

  @Field(() => String, { nullable: true, description: 'ISO 4217 code, such as EUR.' })
  currency?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether new accounts can be created.' })
  registrationEnabled?: boolean | null;

  @Field(() => DeviceLoginProof, {
    nullable: true,
    description: 'Whether devices must present a secret or a proof at login.',
  })
  deviceLoginProof?: DeviceLoginProof | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices bound to one account. Null is unlimited.',
  })
  deviceLimit?: number | null;

  @Field(() => HardwareIds, {
    nullable: true,
    description: 'Whether proxy clients have to declare their device to read a subscription link.',
  })
  hardwareIds?: HardwareIds | null;

  @Field(() => ExcessDevices, {
    nullable: true,
    description:
      'Which devices servers disconnect when a subscription is used from more than its plan allows.',
  })
  excessDevices?: ExcessDevices | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds for which a device keeps its place after it disconnects, 0-600.',
  })
  roamingSeconds?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether devices must encrypt requests and responses. Create a transport key first, with `rotateTransportKey`.',
  })
  transportEncryption?: boolean | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'UUID of the plan that new accounts get as a trial. Set all three trial fields, or set all three to null for no trial.',
  })
  trialPlanId?: string | null;

  @Field(() => UnitTime, { nullable: true, description: 'Unit of the duration of the trial.' })
  trialUnitTime?: UnitTime | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Duration of the trial in units: 1 to 36500 days, 1200 months, 400 quarters, 200 half-years or 100 years.',
  })
  trialQuantity?: number | null;
}

registerEnumType(LinkTemplateFormat, {
  name: 'LinkTemplateFormat',
  description: 'A format of subscription links that has templates.',
  valuesConfig: {
    CLASH: { description: 'YAML of mihomo (Clash.Meta) and Stash.' },
    SING_BOX: { description: 'JSON of sing-box.' },
    V2RAY: { description: 'JSON of V2Fly.' },
    XRAY: { description: 'JSON of Xray.' },
    SURGE: { description: 'Configuration file of Surge and Surfboard.' },
  },
});

@ObjectType({ description: 'The template of the documents that subscription links return in one format.' })
export class LinkTemplate implements Template {
  @Field(() => LinkTemplateFormat, { description: 'The format.' })
  format!: LinkTemplateFormat;

  @Field(() => String, {
    nullable: true,
    description:
      'The document with placeholders: the list entry (in Surge the line) `$nodes` stands for the nodes, `$names` for their names, `$site` and `$plan` for the names of the site and the plan, `$$` for a dollar sign. Null is the built-in document.',
  })
  text!: string | null;
}
