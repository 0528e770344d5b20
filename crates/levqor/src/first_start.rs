//! What an empty database gets: an account, its first operator, an owner key, a sample workflow.

use levqor_flow::document;
use levqor_model::{AccountId, Clock, KeyId, Random, Role, Secret, UserId, WorkflowId};
use levqor_server::gateway::new_key;
use levqor_store::{
    Store,
    accounts::{Account, Founding, User},
    keys::ApiKey,
    workflows::{Version, Workflow},
};

/// The plan of the first account: the operator's own installation has the largest.
const PLAN: &str = "agency";

/// The sample workflow.
const SAMPLE: &str = include_str!("../samples/welcome.yaml");

/// What was made; the key is told once and never stored.
#[derive(Debug)]
pub struct FirstStart {
    pub owner_key: Secret,
}

/// Fills an empty database; None when somebody was here before.
///
/// # Errors
/// The store's.
pub async fn first_start(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn Random,
    operator_email: &str,
) -> anyhow::Result<Option<FirstStart>> {
    let now = clock.now();
    let account_id = AccountId::new(now, random);
    let key = new_key(random);
    let (workflow, version) = sample(account_id, clock, random)?;
    let founding = Founding {
        account: Account {
            id: account_id,
            name: "Default".to_owned(),
            plan: PLAN.to_owned(),
            created_at: now,
        },
        user: User {
            id: UserId::new(now, random),
            email: operator_email.to_owned(),
            operator: true,
            created_at: now,
        },
        role: Role::Owner,
        key: ApiKey {
            id: KeyId::new(now, random),
            account_id,
            name: "owner".to_owned(),
            prefix: key.prefix,
            hash: key.hash,
            role: Role::Owner,
            operator: true,
            created_at: now,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            scopes: None,
            previous: None,
            rotated_at: None,
            created_by: None,
        },
        workflow,
        version,
    };
    // In one transaction: a start that dies in the middle must not leave an account that nobody has a key to.
    let founded = store.found(founding).await?;
    Ok(founded.then_some(FirstStart { owner_key: key.key }))
}

fn sample(
    account_id: AccountId,
    clock: &dyn Clock,
    random: &dyn Random,
) -> anyhow::Result<(Workflow, Version)> {
    let now = clock.now();
    let value =
        document::read(SAMPLE).map_err(|issue| anyhow::anyhow!("the sample workflow: {}", issue.message))?;
    let Some(checked) = document::check(&value).workflow else {
        anyhow::bail!("the sample workflow is not valid");
    };
    let id = WorkflowId::new(now, random);
    let workflow = Workflow {
        id,
        account_id,
        namespace: checked.namespace.clone(),
        name: checked.name.clone(),
        version: checked.version.clone(),
        title: checked.title.clone(),
        created_at: now,
        updated_at: now,
    };
    let version = Version {
        workflow_id: id,
        version: checked.version.clone(),
        definition: value.to_string(),
        source: Some(SAMPLE.to_owned()),
        functions: None,
        created_at: now,
    };
    Ok((workflow, version))
}
