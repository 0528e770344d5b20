//! What an empty database gets: an account, its first operator, an owner key, a sample workflow.

use levqor_flow::document;
use levqor_model::{AccountId, Clock, KeyId, Random, Role, Secret, UserId, WorkflowId};
use levqor_server::gateway::new_key;
use levqor_store::{
    Store,
    accounts::{Account, Membership, User},
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
    if store.accounts_count().await? > 0 {
        return Ok(None);
    }
    let now = clock.now();
    let account_id = AccountId::new(now, random);
    let user_id = UserId::new(now, random);
    let key = new_key(random);
    save_sample(store, account_id, clock, random).await?;
    store
        .create_user(User { id: user_id, email: operator_email.to_owned(), operator: true, created_at: now })
        .await?;
    store
        .create_key(ApiKey {
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
        })
        .await?;
    store.add_member(Membership { account_id, user_id, role: Role::Owner }).await?;
    Ok(Some(FirstStart { owner_key: key.key }))
}

async fn save_sample(
    store: &Store,
    account_id: AccountId,
    clock: &dyn Clock,
    random: &dyn Random,
) -> anyhow::Result<()> {
    let now = clock.now();
    store
        .create_account(Account {
            id: account_id,
            name: "Default".to_owned(),
            plan: PLAN.to_owned(),
            created_at: now,
        })
        .await?;
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
        created_at: now,
    };
    store.create_workflow(workflow, version, None).await?;
    Ok(())
}
