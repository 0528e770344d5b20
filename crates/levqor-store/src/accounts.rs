//! Accounts, people, and who belongs where.

use levqor_model::{AccountId, Role, Timestamp, UserId};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// A plan's code.
    pub plan: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Lower case.
    pub email: String,
    /// May see and do what operators of the platform may.
    pub operator: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub account_id: AccountId,
    pub user_id: UserId,
    pub role: Role,
}

impl Store {
    pub async fn create_account(&self, _account: Account) -> Result<(), Error> {
        unimplemented!("create_account")
    }

    pub async fn account(&self, _id: AccountId) -> Result<Option<Account>, Error> {
        unimplemented!("account")
    }

    pub async fn accounts_count(&self) -> Result<i64, Error> {
        unimplemented!("accounts_count")
    }

    pub async fn create_user(&self, _user: User) -> Result<(), Error> {
        unimplemented!("create_user")
    }

    pub async fn user(&self, _id: UserId) -> Result<Option<User>, Error> {
        unimplemented!("user")
    }

    pub async fn user_by_email(&self, _email: String) -> Result<Option<User>, Error> {
        unimplemented!("user_by_email")
    }

    pub async fn add_member(&self, _membership: Membership) -> Result<(), Error> {
        unimplemented!("add_member")
    }

    pub async fn memberships_of(&self, _user: UserId) -> Result<Vec<Membership>, Error> {
        unimplemented!("memberships_of")
    }
}
