import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  DeviceLoginProof,
  type SiteSettings as SiteRow,
  UnitTime,
} from '../../../generated/prisma/client.ts';
import { JsonScalar } from '../../../platform/graphql/scalars.ts';

registerEnumType(DeviceLoginProof, {
  name: 'DeviceLoginProof',
  description: 'Whether a device must prove that it is the one which registered.',
  valuesConfig: {
    REQUIRED: { description: 'Every login carries a secret, or a proof made with a key.' },
    OPTIONAL: {
      description:
        'For apps that show neither: a device without one logs in by its identifier, and needs the first it brings from then on.',
    },
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

@ObjectType({ description: 'What apps and pages need to know of the site before anybody has logged in.' })
export class GlobalConfig implements PublicFields {
  @Field(() => String, { description: 'What the site is called.' })
  name!: string;

  @Field(() => String, { description: 'What it is, for people.' })
  description!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Address of its logo, or the path of it on this host.',
  })
  logo!: string | null;

  @Field(() => [String], { description: 'Words it is to be found by.' })
  keywords!: string[];

  @Field(() => String, { nullable: true, description: 'HTML that pages put in as it is.' })
  customHtml!: string | null;

  @Field(() => JsonScalar, { description: 'Whatever else the apps of this site agree upon: a JSON object.' })
  customData!: SiteRow['customData'];

  @Field(() => String, { description: 'The currency that it sells in, ISO 4217.' })
  currency!: string;

  @Field(() => Boolean, { description: 'Whether new accounts can be made.' })
  registrationEnabled!: boolean;

  @Field(() => DeviceLoginProof, { description: 'Whether devices must prove who they are.' })
  deviceLoginProof!: DeviceLoginProof;

  @Field(() => Boolean, { description: 'Whether what devices send and get is encrypted.' })
  transportEncryption!: boolean;
}

@ObjectType({ description: 'The settings of the site.' })
export class SiteSettings extends GlobalConfig implements Omit<SiteRow, 'id'> {
  @Field(() => Int, {
    nullable: true,
    description: 'Devices an account may bind; null is unlimited, 0 none.',
  })
  deviceLimit!: number | null;

  @Field(() => ID, { nullable: true, description: 'The plan that a new account gets to try; null is none.' })
  trialPlanId!: string | null;

  @Field(() => UnitTime, { nullable: true, description: 'The unit of the time of the trial.' })
  trialUnitTime!: UnitTime | null;

  @Field(() => Int, { nullable: true, description: 'How many units the trial lasts.' })
  trialQuantity!: number | null;

  @Field(() => Int, { description: 'Goes up with each change; send it back to notice changes by others.' })
  version!: number;
}

@InputType({ description: 'What changes of the site: what is absent stays, null clears what can be empty.' })
export class UpdateSiteInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version you have read: EDIT_CONFLICT when it is another by now. Absent: the last one wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'What the site is called, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'What it is, for people, up to 1000 characters.' })
  description?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Address (http or https) of its logo, or a path that begins with /; null: none.',
  })
  logo?: string | null;

  @Field(() => [String], { nullable: true, description: 'Up to 100 words of up to 50 characters.' })
  keywords?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'HTML that pages put in as it is, up to 16384 characters; null: none.',
  })
  customHtml?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'A JSON object of up to 32 KiB; it takes the place of the whole one before.',
  })
  customData?: unknown;

  @Field(() => String, { nullable: true, description: 'ISO 4217, like EUR.' })
  currency?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether new accounts can be made.' })
  registrationEnabled?: boolean | null;

  @Field(() => DeviceLoginProof, { nullable: true, description: 'Whether devices must prove who they are.' })
  deviceLoginProof?: DeviceLoginProof | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Devices an account may bind; null is unlimited, 0 none.',
  })
  deviceLimit?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether what devices send and get is encrypted. Make a transport key first.',
  })
  transportEncryption?: boolean | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The plan that a new account gets to try. It takes all three of the trial; null for each: no trial.',
  })
  trialPlanId?: string | null;

  @Field(() => UnitTime, { nullable: true, description: 'The unit of the time of the trial.' })
  trialUnitTime?: UnitTime | null;

  @Field(() => Int, { nullable: true, description: 'How many units the trial lasts, 1-36500.' })
  trialQuantity?: number | null;
}
